//! What is said of a capture that is not whole.

use crate::text::{Template, Words};

/// One a fault, and that of the canary.
pub(super) static TEMPLATES: [Template; 13] = [
    Template {
        key: "silent",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: nothing comes any more",
            story: "No frame came on {point} for {duration}, where more was to be expected by what came before. The interface is up, and Vigie sees nothing of what passes there meanwhile: the absence of cases says nothing about it.",
            innocent: "The network behind the mirror is switched off (a night, works), or the mirror was taken away on purpose.",
            summary: "No frame on {point} for {duration}",
            checks: &[
                "On the switch, whether the mirror session still exists and is active, and whether its destination port is the one that the cable of {point} comes from.",
                "Whether the session's sources still carry traffic (a VLAN or a port that was renumbered).",
                "Whether the switch was replaced, restarted without its saved configuration, or its mirror taken by someone else.",
            ],
            actions: &[
                "Set the mirror session up again on the switch, and save its configuration.",
                "Where the network is this quiet by nature: raise `detect.capture_health.silent`.",
            ],
            reasons: &[("capture_health.silent", "no frame for {duration}")],
        },
        fr: Words {
            title: "{point} : plus rien n’arrive",
            story: "Aucune trame n’est arrivée sur {point} pendant {duration}, alors que le trafic précédent en laissait attendre. L’interface est active, et Vigie ne voit rien de ce qui y passe pendant ce temps : l’absence de cas n’en dit rien.",
            innocent: "Le réseau derrière le miroir est éteint (nuit, travaux), ou le miroir a été retiré volontairement.",
            summary: "Aucune trame sur {point} pendant {duration}",
            checks: &[
                "Sur le commutateur, si la session de miroir existe encore et est active, et si son port de destination est bien celui d’où vient le câble de {point}.",
                "Si les sources de la session portent encore du trafic (un VLAN ou un port renuméroté).",
                "Si le commutateur a été remplacé, redémarré sans sa configuration, ou son miroir repris par quelqu’un d’autre.",
            ],
            actions: &[
                "Rétablissez la session de miroir sur le commutateur, et enregistrez sa configuration.",
                "Si le réseau est aussi calme par nature : augmentez `detect.capture_health.silent`.",
            ],
            reasons: &[("capture_health.silent", "aucune trame pendant {duration}")],
        },
    },
    Template {
        key: "down",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: the interface is down",
            story: "For {duration}, {point} was down: it had no carrier, was switched off, or was gone. Vigie sees nothing of what passes there meanwhile: the absence of cases says nothing about it.",
            innocent: "A cable, a switch or a card that is being changed.",
            summary: "{point} down for {duration}",
            checks: &[
                "What state it is in: `ip link show {point}` (`NO-CARRIER`: the cable, its plug-in module or the switch's port; `state DOWN` without it: switched off here; no such device: the card, or another name).",
                "On the switch, whether the mirror's destination port is switched on, and its light.",
            ],
            actions: &[
                "Plug the cable in at both ends, or change it; switch the switch's port on.",
                "Where it is switched off here: `ip link set {point} up`, and have the machine do so at each start.",
            ],
            reasons: &[("capture_health.down", "no link for {duration}")],
        },
        fr: Words {
            title: "{point} : l’interface est inactive",
            story: "Pendant {duration}, {point} était inactive : sans porteuse, désactivée, ou disparue. Vigie ne voit rien de ce qui y passe pendant ce temps : l’absence de cas n’en dit rien.",
            innocent: "Un câble, un commutateur ou une carte que l’on remplace.",
            summary: "{point} inactive pendant {duration}",
            checks: &[
                "Son état : `ip link show {point}` (`NO-CARRIER` : le câble, son module ou le port du commutateur ; `state DOWN` sans cela : désactivée ici ; pas de tel périphérique : la carte, ou un autre nom).",
                "Sur le commutateur, si le port de destination du miroir est activé, et son voyant.",
            ],
            actions: &[
                "Branchez le câble aux deux bouts, ou changez-le ; activez le port du commutateur.",
                "Si elle est désactivée ici : `ip link set {point} up`, et faites-le faire à chaque démarrage de la machine.",
            ],
            reasons: &[("capture_health.down", "pas de lien pendant {duration}")],
        },
    },
    Template {
        key: "one_way",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: one side of the conversations is missing",
            story: "For {duration}, TCP conversations were seen from one side only, {part} of {whole} ({share}) at the worst: what the other side sends does not come on {point}. Vigie does not follow what was said in them: log-ins, files and answers go unseen.",
            innocent: "Traffic that takes another way back (two routers, two providers, a load balancer that answers directly).",
            summary: "{share} of the TCP conversations lack a side on {point}",
            checks: &[
                "On the switch, whether the mirror copies both directions of its source ports (`both`, or `rx` and `tx`).",
                "Whether a tap with two outputs has both of them plugged in, and both interfaces are given to Vigie.",
                "Whether the way back takes another port or another switch.",
            ],
            actions: &[
                "Mirror both directions (Cisco: `monitor session 1 source interface ... both`).",
                "Mirror the ports of both ways, or give Vigie the tap's second interface (`-i eth1 eth2`).",
            ],
            reasons: &[("capture_health.one_way", "{part} of {whole} TCP conversations ({share}) were seen from one side only")],
        },
        fr: Words {
            title: "{point} : un côté des conversations manque",
            story: "Pendant {duration}, des conversations TCP n’ont été vues que d’un côté, {part} sur {whole} ({share}) au pire : ce qu’envoie l’autre côté n’arrive pas sur {point}. Vigie ne suit pas ce qui s’y dit : connexions, fichiers et réponses lui échappent.",
            innocent: "Un trafic dont le retour prend un autre chemin (deux routeurs, deux fournisseurs, un répartiteur qui répond directement).",
            summary: "{share} des conversations TCP sans un de leurs côtés sur {point}",
            checks: &[
                "Sur le commutateur, si le miroir copie les deux sens de ses ports source (`both`, ou `rx` et `tx`).",
                "Si les deux sorties d’un boîtier de dérivation sont branchées, et ses deux interfaces données à Vigie.",
                "Si le retour passe par un autre port ou un autre commutateur.",
            ],
            actions: &[
                "Recopiez les deux sens (Cisco : `monitor session 1 source interface ... both`).",
                "Recopiez les ports des deux chemins, ou donnez à Vigie la seconde interface de la dérivation (`-i eth1 eth2`).",
            ],
            reasons: &[("capture_health.one_way", "{part} conversations TCP sur {whole} ({share}) n’ont été vues que d’un côté")],
        },
    },
    Template {
        key: "lossy",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: the mirror loses frames",
            story: "For {duration}, TCP bytes that the other side acknowledged never came on {point}, {share} of them ({bytes}) at the worst; neither the card nor the kernel lost them. They passed on the network and got lost between there and Vigie's card. While it lasts, the absence of cases says nothing about what was not seen.",
            innocent: "A link of two lines of which one is mirrored only, or a part of the traffic that takes another way.",
            summary: "{share} of acknowledged TCP bytes never came on {point}",
            checks: &[
                "On the switch, whether the ports mirrored together carry more than the destination port can (two full directions of 1 Gbit/s are 2 Gbit/s).",
                "On the switch, the drop counters of the destination port.",
                "Whether all lines of a link aggregation are mirrored.",
            ],
            actions: &[
                "Mirror fewer ports or VLANs, or take a faster destination port.",
                "Where it must be whole: a tap in place of the mirror.",
            ],
            reasons: &[("capture_health.lossy", "{share} of the TCP bytes that the other side acknowledged never came ({bytes})")],
        },
        fr: Words {
            title: "{point} : le miroir perd des trames",
            story: "Pendant {duration}, des octets TCP acquittés par l’autre côté ne sont jamais arrivés sur {point}, {share} d’entre eux ({bytes}) au pire ; ni la carte ni le noyau ne les ont perdus. Ils ont circulé sur le réseau et se sont perdus avant la carte de Vigie. Tant que cela dure, l’absence de cas ne dit rien de ce qui n’a pas été vu.",
            innocent: "Un agrégat de deux liens dont un seul est recopié, ou une partie du trafic qui prend un autre chemin.",
            summary: "{share} des octets TCP acquittés jamais arrivés sur {point}",
            checks: &[
                "Sur le commutateur, si les ports recopiés ensemble portent plus que le port de destination ne peut (deux sens pleins de 1 Gbit/s font 2 Gbit/s).",
                "Sur le commutateur, les compteurs de rejets du port de destination.",
                "Si tous les liens d’un agrégat sont recopiés.",
            ],
            actions: &[
                "Recopiez moins de ports ou de VLAN, ou prenez un port de destination plus rapide.",
                "S’il faut tout voir : un boîtier de dérivation au lieu du miroir.",
            ],
            reasons: &[("capture_health.lossy", "{share} des octets TCP acquittés par l’autre côté ne sont jamais arrivés ({bytes})")],
        },
    },
    Template {
        key: "card",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: the card loses frames",
            story: "For {duration}, the card of {point} or its driver dropped frames, {part} of {whole} ({share}) at the worst: they came as far as this machine, and it had no room for them, or they were too long. While it lasts, the absence of cases says nothing about what was not seen.",
            innocent: "A burst that the card's own queue is too short for.",
            summary: "The card of {point} dropped {share} of the frames",
            checks: &[
                "The card's counters: `ethtool -S {point} | grep -i -E 'drop|miss|fifo'`.",
                "The length of its queues: `ethtool -g {point}`.",
                "Whether frames are longer than its MTU lets in (`ip link show {point}`).",
            ],
            actions: &[
                "Lengthen its receive queue to what it can: `ethtool -G {point} rx 4096`.",
                "Where frames are longer than its MTU: `ip link set {point} mtu 9000`.",
                "Give the machine's processor less else to do, or take a card with more queues.",
            ],
            reasons: &[("capture_health.card", "{part} of {whole} frames ({share}) were dropped by the card")],
        },
        fr: Words {
            title: "{point} : la carte perd des trames",
            story: "Pendant {duration}, la carte de {point} ou son pilote a rejeté des trames, {part} sur {whole} ({share}) au pire : elles sont arrivées jusqu’à cette machine, et il n’y avait pas de place pour elles, ou elles étaient trop longues. Tant que cela dure, l’absence de cas ne dit rien de ce qui n’a pas été vu.",
            innocent: "Une pointe pour laquelle la file de la carte est trop courte.",
            summary: "La carte de {point} a rejeté {share} des trames",
            checks: &[
                "Les compteurs de la carte : `ethtool -S {point} | grep -i -E 'drop|miss|fifo'`.",
                "La longueur de ses files : `ethtool -g {point}`.",
                "Si les trames sont plus longues que sa MTU ne l’admet (`ip link show {point}`).",
            ],
            actions: &[
                "Allongez sa file de réception autant qu’elle le permet : `ethtool -G {point} rx 4096`.",
                "Si les trames dépassent sa MTU : `ip link set {point} mtu 9000`.",
                "Déchargez le processeur de la machine, ou prenez une carte à plusieurs files.",
            ],
            reasons: &[("capture_health.card", "{part} trames sur {whole} ({share}) ont été rejetées par la carte")],
        },
    },
    Template {
        key: "damaged",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: frames come damaged",
            story: "For {duration}, frames on {point} came damaged, {part} of {whole} ({share}) at the worst: wrong checksum, wrong length or cut off. The card counts them as errors and throws them away. While it lasts, the absence of cases says nothing about what was not seen.",
            innocent: "A cable that was plugged in or moved while it ran.",
            summary: "{share} of the frames on {point} came damaged",
            checks: &[
                "The card's counters: `ethtool -S {point} | grep -i -E 'err|crc|length'`; wrong checksums (`crc`) come from the cable or its plug-in module.",
                "Speed and duplex at both ends: `ethtool {point}`, and the error counters of the switch's destination port.",
            ],
            actions: &["Change the cable or its plug-in module; clean the ends of a fibre.", "Let both ends negotiate speed and duplex."],
            reasons: &[("capture_health.damaged", "{part} of {whole} frames ({share}) came damaged")],
        },
        fr: Words {
            title: "{point} : les trames arrivent abîmées",
            story: "Pendant {duration}, des trames de {point} sont arrivées abîmées, {part} sur {whole} ({share}) au pire : somme de contrôle ou longueur fausse, ou trame coupée. La carte les compte comme erreurs et les jette. Tant que cela dure, l’absence de cas ne dit rien de ce qui n’a pas été vu.",
            innocent: "Un câble branché ou déplacé en cours de route.",
            summary: "{share} des trames de {point} arrivées abîmées",
            checks: &[
                "Les compteurs de la carte : `ethtool -S {point} | grep -i -E 'err|crc|length'` ; les sommes fausses (`crc`) viennent du câble ou de son module.",
                "La vitesse et le duplex aux deux bouts : `ethtool {point}`, et les compteurs d’erreurs du port de destination du commutateur.",
            ],
            actions: &[
                "Changez le câble ou son module ; nettoyez les bouts d’une fibre.",
                "Laissez les deux bouts négocier vitesse et duplex.",
            ],
            reasons: &[("capture_health.damaged", "{part} trames sur {whole} ({share}) sont arrivées abîmées")],
        },
    },
    Template {
        key: "kernel",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: frames come faster than Vigie reads them",
            story: "For {duration}, frames on {point} found the kernel's ring full and were lost, {part} of {whole} ({share}) at the worst: Vigie, or what else this machine does, did not read them in time. While it lasts, the absence of cases says nothing about what was not seen.",
            innocent: "A burst (a backup, a copy) that is longer than the ring.",
            summary: "{share} of the frames on {point} found the ring full",
            checks: &[
                "What else uses the processor of this machine (`top`).",
                "Whether traffic that need not be looked at (backups, storage) is mirrored, too.",
            ],
            actions: &[
                "Give it more workers (`workers`) or a longer ring (`capture.ring`).",
                "Keep out what need not be looked at: `capture.filter`, for example `not host 10.0.0.9`.",
            ],
            reasons: &[("capture_health.kernel", "{part} of {whole} frames ({share}) were lost in the kernel's ring")],
        },
        fr: Words {
            title: "{point} : les trames arrivent plus vite que Vigie ne les lit",
            story: "Pendant {duration}, des trames de {point} ont trouvé l’anneau du noyau plein et ont été perdues, {part} sur {whole} ({share}) au pire : Vigie, ou ce que cette machine fait d’autre, ne les a pas lues à temps. Tant que cela dure, l’absence de cas ne dit rien de ce qui n’a pas été vu.",
            innocent: "Une pointe (sauvegarde, copie) plus longue que l’anneau.",
            summary: "{share} des trames de {point} ont trouvé l’anneau plein",
            checks: &[
                "Ce qui occupe par ailleurs le processeur de cette machine (`top`).",
                "Si du trafic qu’il n’est pas utile de regarder (sauvegardes, stockage) est recopié aussi.",
            ],
            actions: &[
                "Donnez plus de fils de travail (`workers`) ou un anneau plus long (`capture.ring`).",
                "Écartez ce qu’il n’est pas utile de regarder : `capture.filter`, par exemple `not host 10.0.0.9`.",
            ],
            reasons: &[("capture_health.kernel", "{part} trames sur {whole} ({share}) ont été perdues dans l’anneau du noyau")],
        },
    },
    Template {
        key: "doubled",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: frames come twice",
            story: "For {duration}, frames on {point} were copies of a frame just seen, {part} of {whole} ({share}) at the worst. Vigie counts them once, but the mirror's port carries half of what it could, and loses frames that much sooner.",
            innocent: "Two mirrored ports between which most of the traffic passes.",
            summary: "{share} of the frames on {point} came twice",
            checks: &[
                "On the switch, whether both directions of several ports are mirrored between which traffic passes: each frame is then copied as it comes and as it goes.",
                "Whether a VLAN and its ports are both sources of the mirror.",
            ],
            actions: &[
                "Mirror one direction (`rx`) of all ports, or both of the uplink alone.",
                "Take the ports out of the mirror whose VLAN is in it.",
            ],
            reasons: &[("capture_health.doubled", "{part} of {whole} frames ({share}) came twice")],
        },
        fr: Words {
            title: "{point} : les trames arrivent en double",
            story: "Pendant {duration}, des trames de {point} étaient la copie d’une trame tout juste vue, {part} sur {whole} ({share}) au pire. Vigie les compte une fois, mais le port du miroir ne porte que la moitié de ce qu’il pourrait, et perd des trames d’autant plus tôt.",
            innocent: "Deux ports recopiés entre lesquels passe l’essentiel du trafic.",
            summary: "{share} des trames de {point} arrivées en double",
            checks: &[
                "Sur le commutateur, si les deux sens de plusieurs ports sont recopiés entre lesquels passe du trafic : chaque trame est alors copiée à l’entrée et à la sortie.",
                "Si un VLAN et ses ports sont tous deux sources du miroir.",
            ],
            actions: &[
                "Recopiez un seul sens (`rx`) de tous les ports, ou les deux sens du seul lien montant.",
                "Retirez du miroir les ports dont le VLAN y est déjà.",
            ],
            reasons: &[("capture_health.doubled", "{part} trames sur {whole} ({share}) sont arrivées en double")],
        },
    },
    Template {
        key: "reordered",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: frames come out of order",
            story: "For {duration}, TCP segments on {point} came behind later ones or behind their own acknowledgement, {part} of {whole} ({share}) at the worst: not as they passed on the network. Vigie puts most of it in order, at a cost; what comes too late counts as lost.",
            innocent: "A network that spreads one conversation over several ways.",
            summary: "{share} of the TCP segments on {point} came out of order",
            checks: &[
                "Whether several receive queues or an offload reorder on the card: `ethtool -l {point}`, `ethtool -k {point}`.",
                "Whether an aggregation device in between puts several mirrors together without keeping their order.",
            ],
            actions: &[
                "One queue for the card: `ethtool -L {point} combined 1`.",
                "Give each mirror an interface of its own (`-i eth1 eth2`): Vigie puts them in order by their stamps.",
            ],
            reasons: &[("capture_health.reordered", "{part} of {whole} TCP segments ({share}) came out of order")],
        },
        fr: Words {
            title: "{point} : les trames arrivent en désordre",
            story: "Pendant {duration}, des segments TCP de {point} sont arrivés après de plus récents ou après leur propre acquittement, {part} sur {whole} ({share}) au pire : pas comme ils ont circulé. Vigie en remet l’essentiel en ordre, à un coût ; ce qui vient trop tard compte comme perdu.",
            innocent: "Un réseau qui répartit une même conversation sur plusieurs chemins.",
            summary: "{share} des segments TCP de {point} arrivés en désordre",
            checks: &[
                "Si plusieurs files de réception ou un déchargement de la carte changent l’ordre : `ethtool -l {point}`, `ethtool -k {point}`.",
                "Si un équipement d’agrégation réunit plusieurs miroirs sans garder leur ordre.",
            ],
            actions: &[
                "Une seule file pour la carte : `ethtool -L {point} combined 1`.",
                "Donnez à chaque miroir son interface (`-i eth1 eth2`) : Vigie les remet en ordre par leur horodatage.",
            ],
            reasons: &[("capture_health.reordered", "{part} segments TCP sur {whole} ({share}) sont arrivés en désordre")],
        },
    },
    Template {
        key: "truncated",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: frames come cut short",
            story: "For {duration}, frames on {point} were shorter than the packet in them, {part} of {whole} ({share}) at the worst: something on the way cuts them. Headers are seen; what was said, the files and the names in them are not.",
            innocent: "A mirror that is set to copy headers only, for reasons of volume or of privacy.",
            summary: "{share} of the frames on {point} came cut short",
            checks: &[
                "On the switch or the packet broker, whether the mirror is set to cut frames (truncation, slicing, `mtu`).",
                "Whether the way of a remote mirror (ERSPAN, GRE, VXLAN) carries frames of full length: its MTU is to be larger by what it adds.",
            ],
            actions: &[
                "Switch the cutting off, or set it to 9,000 bytes.",
                "Raise the MTU on the remote mirror's way by 50 bytes at least.",
            ],
            reasons: &[("capture_health.truncated", "{part} of {whole} frames ({share}) were shorter than their packet")],
        },
        fr: Words {
            title: "{point} : les trames arrivent tronquées",
            story: "Pendant {duration}, des trames de {point} étaient plus courtes que le paquet qu’elles portent, {part} sur {whole} ({share}) au pire : quelque chose les coupe en route. Les en-têtes sont vus ; ce qui s’est dit, les fichiers et les noms ne le sont pas.",
            innocent: "Un miroir réglé pour ne copier que les en-têtes, pour le volume ou la vie privée.",
            summary: "{share} des trames de {point} arrivées tronquées",
            checks: &[
                "Sur le commutateur ou l’agrégateur, si le miroir est réglé pour couper les trames (troncature, `slicing`, `mtu`).",
                "Si le chemin d’un miroir distant (ERSPAN, GRE, VXLAN) porte des trames entières : sa MTU doit être plus grande de ce qu’il ajoute.",
            ],
            actions: &[
                "Désactivez la troncature, ou portez-la à 9 000 octets.",
                "Augmentez d’au moins 50 octets la MTU sur le chemin du miroir distant.",
            ],
            reasons: &[("capture_health.truncated", "{part} trames sur {whole} ({share}) étaient plus courtes que leur paquet")],
        },
    },
    Template {
        key: "missing",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: the canary did not come back",
            story: "Vigie let a frame of its own go behind {point}, and for {duration} it has not led to the finding that it should, though later counters did come. Somewhere on the way it was left out (dissection or the detectors, for want of memory mostly): what an attack does may be left out as well.",
            innocent: "A machine so busy that everything comes late.",
            summary: "The canary of {point} is overdue by {duration}",
            checks: &[
                "What uses the processor and the memory of this machine (`top`), and whether the disk is full (`df`).",
                "The log of the service: `journalctl -u vigie`.",
            ],
            actions: &[
                "Restart the service, and keep its log.",
                "Where it comes back: give the machine more, or Vigie less (`capture.filter`).",
            ],
            reasons: &[("capture_health.missing", "the canary has been missing for {duration}")],
        },
        fr: Words {
            title: "{point} : le canari n’est pas revenu",
            story: "Vigie a lâché une trame à elle derrière {point}, et depuis {duration} elle n’a pas mené au constat attendu, alors que des compteurs plus récents sont arrivés. Quelque part en chemin elle a été laissée de côté (par la dissection ou les détecteurs, faute de mémoire le plus souvent) : ce que fait une attaque peut l’être aussi.",
            innocent: "Une machine si occupée que tout arrive en retard.",
            summary: "Le canari de {point} se fait attendre depuis {duration}",
            checks: &[
                "Ce qui occupe le processeur et la mémoire de cette machine (`top`), et si le disque est plein (`df`).",
                "Le journal du service : `journalctl -u vigie`.",
            ],
            actions: &[
                "Redémarrez le service, et conservez son journal.",
                "Si cela revient : donnez plus à la machine, ou moins à Vigie (`capture.filter`).",
            ],
            reasons: &[("capture_health.missing", "le canari manque depuis {duration}")],
        },
    },
    Template {
        key: "behind",
        techniques: &["T1562"],
        en: Words {
            title: "{point}: what comes is not judged in time",
            story: "By the clock, what came on {point} was {duration} behind in being judged: the sensor's process does not run, stands still, or is far slower than the traffic. No canary comes back meanwhile, and an attack would be told that late, or not at all. What waits in the ring is judged later; what finds the ring full is lost, and counted as such.",
            innocent: "A machine that stood still (a virtual machine that was moved or saved), or that did something large for minutes.",
            summary: "Judgement of {point} is {duration} behind",
            checks: &[
                "The log of the service, which says why a sensor ended or did not begin: `journalctl -u vigie`.",
                "What uses the processor and the memory of this machine (`top`), and whether the disk is full (`df`).",
            ],
            actions: &[
                "Restart the service, and keep its log: `systemctl restart vigie`.",
                "Where it comes back: give the machine more, or Vigie less (`capture.filter`).",
            ],
            reasons: &[("capture_health.behind", "what came was judged {duration} late, or not yet")],
        },
        fr: Words {
            title: "{point} : ce qui arrive n’est pas jugé à temps",
            story: "Selon l’horloge, ce qui est arrivé sur {point} était jugé avec {duration} de retard : le processus de la sonde ne tourne pas, ne répond plus, ou est bien plus lent que le trafic. Aucun canari ne revient pendant ce temps, et une attaque serait dite avec ce retard, ou pas du tout. Ce qui attend dans l’anneau est jugé plus tard ; ce qui trouve l’anneau plein est perdu, et compté comme tel.",
            innocent: "Une machine à l’arrêt un moment (machine virtuelle déplacée ou sauvegardée), ou occupée plusieurs minutes à une grosse tâche.",
            summary: "L’analyse de {point} a {duration} de retard",
            checks: &[
                "Le journal du service, qui dit pourquoi une sonde a pris fin ou n’a pas démarré : `journalctl -u vigie`.",
                "Ce qui occupe le processeur et la mémoire de cette machine (`top`), et si le disque est plein (`df`).",
            ],
            actions: &[
                "Redémarrez le service, et conservez son journal : `systemctl restart vigie`.",
                "Si cela revient : donnez plus à la machine, ou moins à Vigie (`capture.filter`).",
            ],
            reasons: &[("capture_health.behind", "ce qui est arrivé a été jugé avec {duration} de retard, ou pas encore")],
        },
    },
    Template {
        key: "canary",
        techniques: &["T1562"],
        en: Words {
            title: "The canary of {point} came back",
            story: "A frame that Vigie let go behind the ring took {duration} to come to a finding: the way is open.",
            innocent: "It is Vigie's own.",
            summary: "The canary came back after {duration}",
            checks: &["Nothing: it shows that findings are told.", "It is in no count and no list."],
            actions: &["None.", "`capture.canary` says how often it is let go."],
            reasons: &[("capture_health.canary", "the canary came back after {duration}")],
        },
        fr: Words {
            title: "Le canari de {point} est revenu",
            story: "Une trame que Vigie a lâchée derrière l’anneau est devenue un constat en {duration} : la voie est libre.",
            innocent: "C’est la sienne.",
            summary: "Le canari est revenu en {duration}",
            checks: &["Rien : il montre que les constats sont dits.", "Il n’est dans aucun compte et aucune liste."],
            actions: &["Aucune.", "`capture.canary` dit à quel rythme il est lâché."],
            reasons: &[("capture_health.canary", "le canari est revenu en {duration}")],
        },
    },
];
