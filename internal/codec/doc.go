// Package codec encrypts what Firstpass leaves with others: every Temporal
// payload and failure, and our own files at rest.
//
// Keys live in a keyring file. One key, the primary, encrypts; all of them
// decrypt, so a rotation adds a key and loses nothing. Each ciphertext is bound
// to what it is for (a Temporal namespace, a label) and to its key's id, and
// nothing that is not encrypted is ever accepted.
//
// What Temporal keeps in clear whatever a codec does: workflow ids, type, task
// queue, signal and update names, error types and search attributes.
package codec
