package codec

import (
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

const (
	// encodingEncrypted is the word Temporal's own samples use, so that tools
	// show such payloads as encrypted.
	encodingEncrypted = "binary/encrypted"
	metadataKeyID     = "encryption-key-id"
	// payloadLabel changes with the format; old labels would have to stay
	// readable for as long as a namespace keeps histories.
	payloadLabel = "firstpass/payload/1"
)

// Config is what a codec needs.
type Config struct {
	Keyring *Keyring
	// Namespace binds payloads to a Temporal namespace. The workflow is left
	// out on purpose: payloads move between workflows by signals, children and
	// continue-as-new.
	Namespace string
}

// New returns the codec for the payloads of a namespace. It is safe for
// concurrent use and does no network I/O: it runs within workflow tasks.
func New(cfg Config) (converter.PayloadCodec, error) {
	if cfg.Keyring == nil || cfg.Namespace == "" {
		return nil, errors.New("codec: want a keyring and a namespace")
	}
	return &payloadCodec{cfg.Keyring, cfg.Namespace}, nil
}

type payloadCodec struct {
	keys      *Keyring
	namespace string
}

// Encode encrypts whole payloads, metadata included: a type name or a nil says
// something too.
func (c *payloadCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("codec: payload %d can't be marshalled", i)
		}
		id, aead := c.keys.primary()
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{
				converter.MetadataEncoding: []byte(encodingEncrypted),
				metadataKeyID:              []byte(id),
			},
			Data: aead.Seal(nil, nil, plain, additional(payloadLabel, c.namespace, id)),
		}
	}
	return out, nil
}

// Decode decrypts. It fails on a payload that is not encrypted: passing it on,
// as many codecs do, would let a client without the codec write personal data
// in clear for ever without anybody noticing.
func (c *payloadCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encodingEncrypted {
			return nil, fmt.Errorf("codec: payload %d is not encrypted; whoever wrote it lacks the codec", i)
		}
		id := string(p.GetMetadata()[metadataKeyID])
		aead, err := c.keys.byID(id)
		if err != nil {
			return nil, err
		}
		plain, err := aead.Open(nil, nil, p.GetData(), additional(payloadLabel, c.namespace, id))
		if err != nil {
			return nil, fmt.Errorf("codec: payload %d is damaged, or belongs to another namespace than %s", i, c.namespace)
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, fmt.Errorf("codec: payload %d holds no payload", i)
		}
	}
	return out, nil
}

// DataConverter returns Temporal's default converter behind codec.
func DataConverter(codec converter.PayloadCodec) converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
}

// FailureConverter returns a converter that encrypts messages and stack traces
// of errors as well; without it they stand in clear in every history.
func FailureConverter(codec converter.PayloadCodec) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          DataConverter(codec),
		EncodeCommonAttributes: true,
	})
}

// ClientOptions puts codec into o. Every client, and so every worker, is made
// with options that went through here.
func ClientOptions(o *client.Options, codec converter.PayloadCodec) {
	o.DataConverter = DataConverter(codec)
	o.FailureConverter = FailureConverter(codec)
}
