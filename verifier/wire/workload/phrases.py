"""What the chat says, and the words by which it knows what is asked, in each language.

Ours, small on purpose. Spelt as ``plain`` words: folded, without accents. A language that has no
words here is asked and answered in English. Source: docs/spec/workload.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["ASKING_UNSPACED", "KIN", "LIGHT", "PHRASES", "TIMES", "Phrases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language.

    ``asking`` words begin a question, ``when`` and ``amount`` words say which kind, ``saying``
    words ask what somebody said, ``summing`` words ask for a summary, ``missing`` words do so in a
    question about nothing else, and ``more`` words begin a question that goes on with the one
    before. The rest is what the chat answers; ``you`` names the user.
    """

    asking: frozenset[str]
    when: frozenset[str]
    amount: frozenset[str]
    saying: frozenset[str]
    summing: frozenset[str]
    missing: frozenset[str]
    more: frozenset[str]
    you: str
    noted: str
    unknown: str
    greeting: str
    thanks: str


def _phrases(text: str) -> Phrases:
    lines = dict(line.strip().split(": ", 1) for line in text.strip().splitlines())

    def listed(name: str) -> frozenset[str]:
        return frozenset(lines[name].split())

    return Phrases(
        asking=listed("asking"),
        when=listed("when"),
        amount=listed("amount"),
        saying=listed("saying"),
        summing=listed("summing"),
        missing=listed("missing"),
        more=listed("more"),
        you=lines["you"],
        noted=lines["noted"],
        unknown=lines["unknown"],
        greeting=lines["greeting"],
        thanks=lines["thanks"],
    )


PHRASES: Mapping[str, Phrases] = MappingProxyType(
    {
        "en": _phrases(
            """
            asking: what when where who whom whose which why how is are am was were do does did can
            when: when
            amount: much many
            saying: say says said tell told write wrote writes mention mentioned mentions think talk
            summing: summarise summarize summary recap
            missing: miss missed
            more: and
            you: You
            noted: Noted. I keep it for this session only.
            unknown: I do not know: nothing that this session was given says so.
            greeting: Hello! Give me messages, and ask me about them.
            thanks: You are welcome.
            """
        ),
        "de": _phrases(
            """
            asking: was wann wo wer wen wem wessen welche welcher welches warum wieso wie wohin
            when: wann
            amount: viel viele teuer
            saying: sagt sagte gesagt sagen schrieb geschrieben schreibt meint meinte erwahnt
            summing: zusammenfassung zusammenfassen zusammen
            missing: verpasst
            more: und
            you: Du
            noted: Notiert, nur f\u00fcr diese Sitzung.
            unknown: Das wei\u00df ich nicht: Nichts, was diese Sitzung bekommen hat, sagt das.
            greeting: Hallo! Gib mir Nachrichten und frag mich danach.
            thanks: Gern geschehen.
            """
        ),
        "es": _phrases(
            """
            asking: que cuando donde quien quienes cual cuales como cuanto cuanta cuantos cuantas
            when: cuando
            amount: cuanto cuanta cuantos cuantas
            saying: dice dijo dicho decir escribio escribe menciono opina
            summing: resumen resume resumir
            missing: perdi perdido
            more: y
            you: T\u00fa
            noted: Anotado, solo para esta sesi\u00f3n.
            unknown: No lo s\u00e9: nada de lo que ha recibido esta sesi\u00f3n lo dice.
            greeting: \u00a1Hola! Dame mensajes y preg\u00fantame sobre ellos.
            thanks: De nada.
            """
        ),
        "fr": _phrases(
            """
            asking: que quoi quand ou qui quel quelle quels quelles comment combien pourquoi est qu
            when: quand
            amount: combien
            saying: dit dire ecrit ecrire mentionne pense
            summing: resume resumer resumez
            missing: rate manque
            more: et
            you: Vous
            noted: C'est not\u00e9, pour cette session seulement.
            unknown: Je ne sais pas\u00a0: rien de ce que cette session a re\u00e7u ne le dit.
            greeting: Bonjour\u00a0! Donnez-moi des messages et posez-moi vos questions.
            thanks: Je vous en prie.
            """
        ),
        "pt": _phrases(
            """
            asking: que quando onde quem qual quais como quanto quanta quantos quantas porque
            when: quando
            amount: quanto quanta quantos quantas
            saying: disse diz dizer escreveu escreve mencionou falou
            summing: resumo resumir resuma
            missing: perdi
            more: e
            you: Voc\u00ea
            noted: Anotado, s\u00f3 para esta sess\u00e3o.
            unknown: N\u00e3o sei: nada do que esta sess\u00e3o recebeu diz isso.
            greeting: Ol\u00e1! D\u00ea-me mensagens e pergunte-me sobre elas.
            thanks: De nada.
            """
        ),
    }
)

_LIGHT = """
bring take get make give buy send come go meet know find want need pay happen plan place
kommen machen bringen bringt bringe kaufen kauft treffen kümmert
traer trae llevar lleva comprar hacer quedamos encarga
apporter apporte acheter faire occupe
trazer traz levar leva fazer cuida
"""
LIGHT = frozenset(_LIGHT.split())
"""Verbs that many messages share: each counts half of what another word would, and nothing if
nobody has used it."""

_KIN = """
meet meeting pick appointment
bring take get carry
cost price pay paid owe euro euros dollars pounds bill fee
drive driving car ride
weather forecast rain sunny
wedding married marry
kostet preis euro bezahlen rechnung
treffen treffpunkt abholen
fährt auto fahren
cuesta precio euros pagar
traer trae encargo llevar
comemos comer restaurante mesa cena
coûte prix euros payer payé facture
apporte apporter prends
custa preço euros reais pagar pago
traz trazer levar trago
"""
KIN = tuple(tuple(line.split()) for line in _KIN.strip().splitlines())
"""Words that answer for one another, one group a line."""

# Chinese and Japanese put no space between words: what asks is cut out of a question by itself.
ASKING_UNSPACED = re.compile(
    "\u4ec0\u4e48\u65f6\u5019|\u54ea\u91cc|\u54ea\u513f|\u4ec0\u4e48|\u600e\u4e48|\u591a\u5c11|\u51e0\u70b9|[\u8c01\u5728\u5417\u5462]"
    "|\u3044\u3064|\u3069\u3053|\u8ab0|\u4f55|\u3067\u3059|\u307e\u3059|\u304b(?=[\u3002\uff1f?]|$)"
)
"""When, where, who, what, how, how many; the particles of a question."""

_TIMES = """
am pm clock half noon midnight today tonight tomorrow yesterday morning afternoon evening night week
weekend monday tuesday wednesday thursday friday saturday sunday january february march april may
june july august september october november december
uhr heute morgen abend mittag montag dienstag mittwoch donnerstag freitag samstag sonntag januar
februar marz mai juni juli oktober dezember wochenende
hoy manana tarde noche lunes martes miercoles jueves viernes sabado domingo enero febrero abril
mayo junio julio agosto septiembre octubre noviembre diciembre una dos tres
demain soir midi lundi mardi mercredi jeudi vendredi samedi dimanche heure heures janvier fevrier
mars avril juin juillet aout octobre novembre decembre
hoje amanha noite segunda terca quarta quinta sexta janeiro fevereiro maio junho julho setembro
outubro novembro dezembro hora horas
"""
TIMES = frozenset(_TIMES.split())
"""Words that say when, in all five languages."""
