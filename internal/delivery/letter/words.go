package letter

import (
	"strings"

	"firstpass.internal/internal/jml"
)

// words are a letter's own, in one language. {org} stands for the organisation,
// {name} for the employee's given name.
type words struct {
	Lang string
	// Labels. Personal stands over the address: nobody else opens the envelope.
	Personal, Date, Case, Page, Reference, Code, Until string
	QR                                                 string // what the square code is, for who can't see it
	hello, helloNobody                                 string
	linkIntro, codeIntro                               string // {first}: first, or nothing
	first                                              string // when the pass is used, of somebody who starts
	lost                                               string // of somebody who is said to have lost a way to sign in
	linkSteps, codeSteps                               []string
	keep                                               string
	help                                               string // if the configuration does not say whom to ask
}

func (w words) greet(name string) string {
	if name == "" {
		return w.helloNobody
	}
	return strings.ReplaceAll(w.hello, "{name}", name)
}

// in returns w as organisation says it in a journey of kind k.
func (w words) in(organisation string, k jml.Kind) words {
	if k != "" && k != jml.KindJoiner {
		w.first = ""
	}
	if k == jml.KindRecovery {
		w.linkIntro, w.codeIntro = w.lost+" "+w.linkIntro, w.lost+" "+w.codeIntro
	}
	put := func(s string) string {
		return strings.NewReplacer("{org}", organisation, "{first}", w.first).Replace(s)
	}
	w.linkIntro, w.codeIntro, w.keep, w.help = put(w.linkIntro), put(w.codeIntro), put(w.keep), put(w.help)
	return w
}

// wordsFor looks a BCP 47 tag up (RFC 4647, 3.4): it drops subtags from the end
// until something fits. It returns English and false if nothing does.
func wordsFor(tag string) (words, bool) {
	known := map[string]func() words{"en": english, "de": german, "fr": french, "es": spanish, "nb": norwegian, "no": norwegian, "nn": norwegian}
	tag = strings.ToLower(tag)
	for tag != "" {
		if w, ok := known[tag]; ok {
			return w(), true
		}
		tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
	}
	return english(), false
}

func english() words {
	return words{
		Lang: "en", Personal: "Personal", Date: "Date", Case: "Case number",
		hello: "Hello {name},", helloNobody: "Hello,",
		first:     " at your first sign-in",
		lost:      "We were told that you have lost a way to sign in, or that it no longer works. If you did not ask for this letter, tell us at once.",
		linkIntro: "{org} has a Temporary Access Pass for you. It takes the place of a password{first}. You collect it yourself, on our pick-up page, with this letter and a code that reaches you by another way.",
		linkSteps: []string{
			"Scan the square code with the camera of your phone. Or open the page below in a browser, and type the reference there.",
			"Type the code that reached you by another way. If you have none yet, wait for it, or ask us.",
			"Do what the page says. It shows you your pass, and how to set up a way to sign in that is yours alone.",
		},
		codeIntro: "This is the code with which you collect your Temporary Access Pass from {org}. The link to the pick-up page reaches you by another way.",
		codeSteps: []string{
			"Open the link, or scan the square code, that reached you by another way. If you have none yet, wait for it, or ask us.",
			"Type the code below into the page.",
			"Do what the page says. It shows you your pass, and how to set up a way to sign in that is yours alone.",
		},
		Page: "Page", Reference: "Reference", Code: "Code", Until: "Valid until",
		QR:   "Square code (QR code) with the link to the pick-up page",
		keep: "Keep this letter to yourself, and destroy it when you have your pass. Nobody at {org} will ever ask you for what it holds: not by phone, not by mail, not in person.",
		help: "If you have questions, or did not expect this letter, ask the person you know at {org}.",
	}
}

func german() words {
	return words{
		Lang: "de", Personal: "Persönlich", Date: "Datum", Case: "Vorgang",
		hello: "Guten Tag {name},", helloNobody: "Guten Tag,",
		first:     " bei Ihrer ersten Anmeldung",
		lost:      "Uns wurde gesagt, dass Sie eine Anmeldemethode verloren haben oder dass sie nicht mehr funktioniert. Wenn Sie diesen Brief nicht verlangt haben, sagen Sie es uns sofort.",
		linkIntro: "{org} hält für Sie einen befristeten Zugriffspass bereit. Er ersetzt{first} das Kennwort. Sie holen ihn selbst auf unserer Abholseite ab: mit diesem Brief und einem Code, der Sie auf einem anderen Weg erreicht.",
		linkSteps: []string{
			"Scannen Sie den QR-Code mit der Kamera Ihres Telefons. Oder öffnen Sie die unten genannte Seite in einem Browser und geben Sie dort die Referenz ein.",
			"Geben Sie den Code ein, der Sie auf einem anderen Weg erreicht hat. Wenn Sie noch keinen haben, warten Sie darauf oder fragen Sie uns.",
			"Folgen Sie der Seite. Sie zeigt Ihnen Ihren Pass und wie Sie eine Anmeldung einrichten, die nur Ihnen gehört.",
		},
		codeIntro: "Mit diesem Code holen Sie Ihren befristeten Zugriffspass von {org} ab. Der Link zur Abholseite erreicht Sie auf einem anderen Weg.",
		codeSteps: []string{
			"Öffnen Sie den Link oder scannen Sie den QR-Code, der Sie auf einem anderen Weg erreicht hat. Wenn Sie noch keinen haben, warten Sie darauf oder fragen Sie uns.",
			"Geben Sie auf der Seite den unten stehenden Code ein.",
			"Folgen Sie der Seite. Sie zeigt Ihnen Ihren Pass und wie Sie eine Anmeldung einrichten, die nur Ihnen gehört.",
		},
		Page: "Seite", Reference: "Referenz", Code: "Code", Until: "Gültig bis",
		QR:   "QR-Code mit dem Link zur Abholseite",
		keep: "Behalten Sie diesen Brief für sich und vernichten Sie ihn, sobald Sie Ihren Pass haben. Niemand bei {org} wird Sie je nach seinem Inhalt fragen: nicht am Telefon, nicht per E-Mail, nicht persönlich.",
		help: "Wenn Sie Fragen haben oder diesen Brief nicht erwartet haben, wenden Sie sich an Ihre Ansprechperson bei {org}.",
	}
}

func french() words {
	return words{
		Lang: "fr", Personal: "Personnel", Date: "Date", Case: "Dossier",
		hello: "Bonjour {name},", helloNobody: "Bonjour,",
		first:     " lors de votre première connexion",
		lost:      "On nous a signalé que vous avez perdu un moyen de connexion, ou qu’il ne fonctionne plus. Si vous n’avez pas demandé cette lettre, dites-le-nous immédiatement.",
		linkIntro: "{org} tient à votre disposition un passe d’accès temporaire. Il remplace le mot de passe{first}. Vous le retirez vous-même sur notre page de retrait, avec cette lettre et un code qui vous parvient par un autre moyen.",
		linkSteps: []string{
			"Scannez le code QR avec votre téléphone. Ou bien ouvrez dans un navigateur la page indiquée ci-dessous et saisissez-y la référence.",
			"Saisissez le code qui vous est parvenu par un autre moyen. Si vous ne l’avez pas encore, attendez-le ou contactez-nous.",
			"Suivez les indications de la page. Elle affiche votre passe et vous explique comment configurer un moyen de connexion qui n’appartient qu’à vous.",
		},
		codeIntro: "Ce code vous permet de retirer votre passe d’accès temporaire de {org}. Le lien vers la page de retrait vous parvient par un autre moyen.",
		codeSteps: []string{
			"Ouvrez le lien, ou scannez le code QR, qui vous est parvenu par un autre moyen. Si vous ne l’avez pas encore, attendez-le ou contactez-nous.",
			"Saisissez sur la page le code ci-dessous.",
			"Suivez les indications de la page. Elle affiche votre passe et vous explique comment configurer un moyen de connexion qui n’appartient qu’à vous.",
		},
		Page: "Page", Reference: "Référence", Code: "Code", Until: "Valable jusqu’au",
		QR:   "Code QR contenant le lien vers la page de retrait",
		keep: "Gardez cette lettre pour vous et détruisez-la dès que vous avez votre passe. Personne chez {org} ne vous demandera jamais ce qu’elle contient : ni par téléphone, ni par e-mail, ni en personne.",
		help: "Si vous avez des questions, ou si vous n’attendiez pas cette lettre, adressez-vous à la personne que vous connaissez chez {org}.",
	}
}

func spanish() words {
	return words{
		Lang: "es", Personal: "Personal", Date: "Fecha", Case: "Expediente",
		hello: "Hola, {name}:", helloNobody: "Hola:",
		first:     " en su primer inicio de sesión",
		lost:      "Nos han dicho que ha perdido un método de inicio de sesión, o que ya no funciona. Si no ha pedido usted esta carta, díganoslo de inmediato.",
		linkIntro: "{org} tiene un pase de acceso temporal para usted. Sustituye a la contraseña{first}. Usted mismo lo recoge en nuestra página de recogida, con esta carta y un código que le llega por otra vía.",
		linkSteps: []string{
			"Escanee el código QR con la cámara de su teléfono. O bien abra en un navegador la página que se indica abajo y escriba allí la referencia.",
			"Escriba el código que le ha llegado por otra vía. Si aún no lo tiene, espere a recibirlo o pregúntenos.",
			"Siga las indicaciones de la página. Le muestra su pase y cómo configurar un método de inicio de sesión que sea solo suyo.",
		},
		codeIntro: "Con este código recoge su pase de acceso temporal de {org}. El enlace a la página de recogida le llega por otra vía.",
		codeSteps: []string{
			"Abra el enlace, o escanee el código QR, que le ha llegado por otra vía. Si aún no lo tiene, espere a recibirlo o pregúntenos.",
			"Escriba en la página el código de abajo.",
			"Siga las indicaciones de la página. Le muestra su pase y cómo configurar un método de inicio de sesión que sea solo suyo.",
		},
		Page: "Página", Reference: "Referencia", Code: "Código", Until: "Válido hasta",
		QR:   "Código QR con el enlace a la página de recogida",
		keep: "No comparta esta carta con nadie y destrúyala cuando tenga su pase. Nadie de {org} le pedirá nunca lo que contiene: ni por teléfono, ni por correo electrónico, ni en persona.",
		help: "Si tiene preguntas o no esperaba esta carta, hable con la persona que conoce en {org}.",
	}
}

func norwegian() words {
	return words{
		Lang: "nb", Personal: "Personlig", Date: "Dato", Case: "Sak",
		hello: "Hei {name},", helloNobody: "Hei,",
		first:     " første gang du logger på",
		lost:      "Vi har fått vite at du har mistet en påloggingsmåte, eller at den ikke virker lenger. Har du ikke bedt om dette brevet, så si fra med en gang.",
		linkIntro: "{org} har et midlertidig tilgangspass til deg. Det brukes i stedet for passord{first}. Du henter det selv på hentesiden vår, med dette brevet og en kode som du får på en annen måte.",
		linkSteps: []string{
			"Skann QR-koden med kameraet på telefonen. Eller åpne siden nedenfor i en nettleser, og skriv inn referansen der.",
			"Skriv inn koden som du har fått på en annen måte. Har du ikke fått den ennå, så vent på den eller spør oss.",
			"Følg siden. Den viser deg passet, og hvordan du setter opp en påloggingsmåte som bare er din.",
		},
		codeIntro: "Med denne koden henter du det midlertidige tilgangspasset fra {org}. Lenken til hentesiden får du på en annen måte.",
		codeSteps: []string{
			"Åpne lenken, eller skann QR-koden, som du har fått på en annen måte. Har du ikke fått den ennå, så vent på den eller spør oss.",
			"Skriv inn koden nedenfor på siden.",
			"Følg siden. Den viser deg passet, og hvordan du setter opp en påloggingsmåte som bare er din.",
		},
		Page: "Side", Reference: "Referanse", Code: "Kode", Until: "Gyldig til",
		QR:   "QR-kode med lenken til hentesiden",
		keep: "Ikke vis dette brevet til noen, og ødelegg det når du har fått passet. Ingen hos {org} vil noen gang be deg om det som står i det: ikke på telefon, ikke på e-post, ikke ansikt til ansikt.",
		help: "Har du spørsmål, eller ventet du ikke dette brevet, så spør kontaktpersonen din hos {org}.",
	}
}
