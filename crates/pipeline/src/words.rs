//! The words of the story, in every language: one line a text, so that none is forgotten.
//!
//! `{0}`, `{1}`... are filled in place; a noun has a form for one and a form for several, chosen by its language's rule.

use vigie_detect::Lang;

macro_rules! texts {
    ($($name:ident: $en:literal, $fr:literal;)+) => {
        /// A text of the story.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Text { $($name,)+ }
        impl Text {
            #[cfg(test)]
            const ALL: &'static [Text] = &[$(Text::$name,)+];
            /// The words, with `{0}`, `{1}`... where something is filled in.
            pub(crate) const fn raw(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Text::$name, Lang::En) => $en, (Text::$name, Lang::Fr) => $fr,)+ }
            }
        }
    };
}

macro_rules! nouns {
    ($($name:ident: $en_one:literal $en_many:literal, $fr_one:literal $fr_many:literal;)+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Noun { $($name,)+ }
        impl Noun {
            const fn form(self, lang: Lang, one: bool) -> &'static str {
                match (self, lang, one) {
                    $((Noun::$name, Lang::En, true) => $en_one, (Noun::$name, Lang::En, false) => $en_many,
                      (Noun::$name, Lang::Fr, true) => $fr_one, (Noun::$name, Lang::Fr, false) => $fr_many,)+
                }
            }
        }
    };
}

texts! {
    Partial: "PARTIAL: reading was interrupted; this is the story up to there.",
        "PARTIEL : la lecture a été interrompue ; voici l'histoire jusque-là.";
    When: "When", "Quand";
    Span: "{0} to {1} UTC ({2})", "du {0} au {1} UTC ({2})";
    NoTime: "no frame, so no time", "aucune trame, donc aucune date";
    Read: "Read", "Lu";
    ReadLine: "{0}, {1}, {2}", "{0}, {1}, {2}";
    AndMore: "and {0}", "et {0}";
    Links: "Link", "Liaison";
    Seen: "Seen", "Vu";
    SeenLine: "{0}, {1}, {2}", "{0}, {1}, {2}";
    Told: "Events", "Relevé";
    Alerts: "Alerts", "Alertes";
    Networks: "Networks", "Réseaux";
    HomeMark: "in HOME_NET", "dans HOME_NET";
    FewHome: "Only {0} of {1} touch HOME_NET, {2}: Vigie does not know what is yours here. Machines and cases will be missing.",
        "Seuls {0} sur {1} touchent HOME_NET, {2} : Vigie ne sait pas ce qui est à vous ici. Machines et cas manqueront.";
    NoneHome: "None of the {0} touch HOME_NET, {1}: Vigie does not know what is yours here. Machines and cases will be missing.",
        "Aucun des {0} ne touche HOME_NET, {1} : Vigie ne sait pas ce qui est à vous ici. Machines et cas manqueront.";
    Propose: "From what it sees, try:", "D'après ce qui est vu, essayez :";
    Traffic: "Traffic, by protocol", "Trafic, par protocole";
    Unknown: "{0}, not recognised", "{0}, non reconnu";
    NoData: "{0}, no data", "{0}, sans données";
    Others: "{0} more", "{0} de plus";
    Busiest: "Busiest addresses", "Adresses les plus actives";
    Machines: "Machines", "Machines";
    Serves: "serves {0}", "sert {0}";
    Cases: "Cases", "Cas";
    NoCase: "None: nothing here looks like an attack that Vigie knows.",
        "Aucune : rien ici ne ressemble à une attaque que Vigie connaît.";
    What: "what", "faits";
    Because: "because", "parce que";
    Innocent: "or harmless", "ou bénin";
    Check: "check", "à vérifier";
    Critical: "CRITICAL", "CRITIQUE";
    High: "HIGH", "HAUTE";
    Medium: "MEDIUM", "MOYENNE";
    Low: "LOW", "BASSE";
    Blind: "What Vigie does not see here", "Ce que Vigie ne voit pas ici";
    BlindNothing: "Every frame was decoded and every protocol recognised.", "Chaque trame a été décodée et chaque protocole reconnu.";
    BlindMirror: "THE CAPTURE IS NOT WHOLE: {0}.", "LA CAPTURE N'EST PAS ENTIÈRE : {0}.";
    BlindLink: "{0} of link type {1}: not decoded.", "{0} de type de liaison {1} : non décodées.";
    BlindInvalid: "{0} malformed, {1} neither IP nor ARP.", "{0} mal formées, {1} ni IP ni ARP.";
    BlindUnknown: "{0} whose protocol is not recognised: {1}.", "{0} au protocole non reconnu : {1}.";
    BlindGaps: "{0} with {1} missing in the middle: frames were lost before Vigie.",
        "{0} où il manque {1} au milieu : des trames ont été perdues avant Vigie.";
    BlindNoSession: "{0} of TCP data of sessions whose beginning was not seen; --set stream.midstream=true follows them.",
        "{0} de données TCP de sessions dont le début manque ; --set stream.midstream=true les suit.";
    BlindSnap: "{0} cut short by the capture's snap length: what follows the cut is unknown.",
        "{0} coupées par la longueur de capture : la suite est inconnue.";
    BlindDuplicate: "{0} seen twice (a mirror that copies both sides), counted once.",
        "{0} vues deux fois (un miroir qui copie les deux sens), comptées une fois.";
    BlindLost: "{0} lost by whoever captured, by the file's own account.", "{0} perdues par l'outil de capture, d'après le fichier même.";
    BlindBackwards: "{0} stamped earlier than one before them.", "{0} datées avant une trame précédente.";
    BlindFragments: "{0} are fragments kept for or dropped with their datagram.", "{0} sont des fragments gardés pour leur datagramme ou perdus avec lui.";
    BlindProblems: "{0} with files, told on the error output.", "{0} avec des fichiers, dits sur la sortie d'erreur.";
    BlindCaps: "CAPS REACHED, so this is not the whole: {0}.", "LIMITES ATTEINTES, tout n'est donc pas là : {0}.";
    BlindAddresses: "{0} beyond the addresses that the story tells apart.", "{0} au-delà des adresses que l'histoire distingue.";
    More: "--verbose tells more; -l DIR writes every event.", "--verbose en dit plus ; -l DOSSIER écrit chaque événement.";
}

nouns! {
    File: "file" "files", "fichier" "fichiers";
    Frame: "frame" "frames", "trame" "trames";
    Flow: "flow" "flows", "flux" "flux";
    Address: "address" "addresses", "adresse" "adresses";
    Case: "case" "cases", "cas" "cas";
    Protocol: "protocol" "protocols", "protocole" "protocoles";
    Segment: "segment" "segments", "segment" "segments";
    Problem: "problem" "problems", "problème" "problèmes";
}

/// Classes and roles of machines, in French; English has them as they are.
const FRENCH: &[(&str, &str)] = &[
    ("biomedical", "appareil biomédical"),
    ("industrial", "automate industriel"),
    ("printer", "imprimante"),
    ("camera", "caméra"),
    ("phone", "téléphone"),
    ("iot", "objet connecté"),
    ("mobile", "mobile"),
    ("network", "équipement réseau"),
    ("server", "serveur"),
    ("workstation", "poste de travail"),
    ("virtual", "machine virtuelle"),
    ("call_manager", "serveur d'appels"),
    ("controller", "automate"),
    ("database_server", "serveur de bases de données"),
    ("dhcp_server", "serveur DHCP"),
    ("dicom_server", "serveur DICOM"),
    ("directory_server", "serveur d'annuaire"),
    ("dns_server", "serveur de noms"),
    ("domain_controller", "contrôleur de domaine"),
    ("file_server", "serveur de fichiers"),
    ("ftp_server", "serveur FTP"),
    ("hl7_server", "serveur HL7"),
    ("hypervisor", "hyperviseur"),
    ("kerberos_server", "serveur Kerberos"),
    ("log_server", "serveur de journaux"),
    ("mail_server", "serveur de courrier"),
    ("media_server", "serveur multimédia"),
    ("mqtt_broker", "courtier MQTT"),
    ("ntp_server", "serveur de temps"),
    ("print_server", "serveur d'impression"),
    ("proxy", "mandataire"),
    ("radius_server", "serveur RADIUS"),
    ("remote_desktop_server", "bureau à distance"),
    ("router", "routeur"),
    ("sip_endpoint", "poste SIP"),
    ("ssh_server", "serveur SSH"),
    ("stream_server", "serveur de flux"),
    ("telnet_server", "serveur Telnet"),
    ("tftp_server", "serveur TFTP"),
    ("web_server", "serveur web"),
];

/// A class or role for a reader.
pub(crate) fn kind_of_machine(lang: Lang, name: &str) -> String {
    let french = FRENCH.iter().filter(|_| lang == Lang::Fr).find(|(en, _)| *en == name);
    french.map_or_else(|| name.replace('_', " "), |(_, fr)| (*fr).to_owned())
}

/// `text` with its places filled.
pub(crate) fn fill(lang: Lang, text: Text, with: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = text.raw(lang);
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').map_or(rest.len(), |e| at + e);
        let place: Option<usize> = rest.get(at + 1..end).and_then(|n| n.parse().ok());
        out.push_str(place.and_then(|n| with.get(n)).copied().unwrap_or(""));
        rest = rest.get(end + 1..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// `n` with its noun: `1,234 flows`, `1 234 flux`.
pub(crate) fn count(lang: Lang, n: u64, noun: Noun) -> String {
    format!("{} {}", number(lang, n), noun.form(lang, lang.is_one(n)))
}

/// A number in groups of three.
pub(crate) fn number(lang: Lang, n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            // French: a narrow space that does not break.
            out.push(if lang == Lang::En { ',' } else { '\u{202f}' });
        }
        out.push(c);
    }
    out
}

/// Bytes with a unit of 1000s: `1.2 MB`, `1,2 Mo`.
pub(crate) fn bytes(lang: Lang, n: u64) -> String {
    let units = if lang == Lang::En { ["B", "kB", "MB", "GB", "TB"] } else { ["o", "ko", "Mo", "Go", "To"] };
    let (mut scale, mut unit) = (1u64, 0);
    while n / scale >= 1000 && unit + 1 < units.len() {
        scale *= 1000;
        unit += 1;
    }
    let whole = n / scale;
    if unit == 0 || whole >= 100 {
        return format!("{} {}", number(lang, whole), units[unit]);
    }
    let point = if lang == Lang::En { '.' } else { ',' };
    format!("{whole}{point}{} {}", n % scale / (scale / 10), units[unit])
}

/// Nanoseconds as the two largest units: `2 h 05 min`, `4 min 12 s`, `350 ms`.
pub(crate) fn duration(lang: Lang, nanos: u64) -> String {
    let s = nanos / 1_000_000_000;
    let day = if lang == Lang::En { 'd' } else { 'j' };
    match s {
        0 => format!("{} ms", nanos / 1_000_000),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s / 60 % 60),
        _ => format!("{} {day} {:02} h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_fill_the_same_places() {
        for text in Text::ALL {
            for n in 0..5 {
                let place = format!("{{{n}}}");
                assert_eq!(text.raw(Lang::En).contains(&place), text.raw(Lang::Fr).contains(&place), "{text:?} {place}");
            }
        }
    }

    #[test]
    fn numbers_and_plurals() {
        assert_eq!(count(Lang::En, 0, Noun::File), "0 files");
        assert_eq!(count(Lang::Fr, 0, Noun::File), "0 fichier");
        assert_eq!(count(Lang::En, 1, Noun::Address), "1 address");
        assert_eq!(count(Lang::Fr, 12_345, Noun::Address), "12\u{202f}345 adresses");
        assert_eq!(bytes(Lang::En, 1_250_000), "1.2 MB");
        assert_eq!(bytes(Lang::Fr, 1_250_000), "1,2 Mo");
        assert_eq!(bytes(Lang::En, 999), "999 B");
        assert_eq!(bytes(Lang::En, u64::MAX), "18,446,744 TB");
        assert_eq!(duration(Lang::En, 252_000_000_000), "4 min 12 s");
        assert_eq!(duration(Lang::Fr, 90_000_000_000_000), "1 j 01 h");
        assert_eq!(fill(Lang::En, Text::Span, &["a", "b", "c"]), "a to b UTC (c)");
    }
}
