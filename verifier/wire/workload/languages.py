"""The words by which a language is known, and those that carry no topic, or a plan.

Ours, small on purpose. ``STOP`` words show the language and carry no topic; ``TINY`` words are
small talk; ``PLAN`` words make a sentence worth keeping: times, decisions, duties. Spelt as
``words`` gives them. Source: docs/spec/workload.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["LANGUAGES", "PLAN", "STOP", "TINY"]


def _table(text: str) -> Mapping[str, frozenset[str]]:
    found: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        code, _, listed = line.strip().partition(": ")
        found.setdefault(code, []).extend(listed.split())
    return MappingProxyType({code: frozenset(listed) for code, listed in found.items()})


STOP = _table(
    """
    en: a about after all also am an and any are as at be been before but by can could d did do does
    en: don else every everyone for from get go going got had has have he her here him his how i if
    en: in into is it its just let like ll m me more my need no not now of off on one only or our
    en: out over please re really s she should so some someone still t than that the their them then
    en: there they thing this to too up us ve very want was we well were what when where which who
    en: whose why will with would yet you your anyone something anything
    de: aber alle allen als also am an auch auf aus bei bin bis bitte da dann das dass dein dem den
    de: der des die dir doch du ein eine einen einer eines er es etwas euch für geht gibt hab habe
    de: haben hat hast hier ich ihm ihn ihr im in ins ist ja jemand jetzt kann kannst können machen
    de: man mal mein mich mir mit muss nach nicht noch nur ob oder schon sein sich sie sind so soll
    de: sollen um und uns unser vom von vor war warum was wann wegen weil wenn wer werden wie will
    de: wir wird wo wohin wollen würde zu zum zur über
    es: a al algo alguien ahora así aunque cada como con cómo cuál cuándo cuánto cuándo cuando de
    es: del desde dónde donde el ella ellos en entonces era es eso esta está están este esto estoy
    es: fue ha hacer hay he hemos la las le les lo los más me mi mis muy nada ni no nos nosotros o
    es: para pero poco por porque puede puedes puedo que qué quién quien quiero se ser si sí sin
    es: sobre solo somos son su sus también te tengo tenemos tiene tienes todo todos tu tus un una
    es: va vale vamos voy y ya yo
    fr: a ai alors après as au aussi aux avec avez avons bien c ce cela ces cette chez comme
    fr: comment d dans de des donc du elle elles en es est et être eu faire fait faut il ils j je
    fr: l la le les leur lui là ma mais me mes moi mon n ne nos notre nous on ont ou où par pas plus
    fr: pour pourquoi quand que quel quelle quelqu qu qui quoi s sa sans se ses si son sont sur ta
    fr: te tes toi ton tous tout très tu un une va vais veux vos votre vous y ça était combien
    pt: a ao aos agora alguém algo as até com como da das de dela dele depois do dos e é ela eles em
    pt: então era essa esse esta está estamos estão este estou eu foi gente há isso isto já la lá
    pt: lhe mais mas me mesmo meu minha muito na nas nem no nos nós não o onde os ou para pela pelo
    pt: pode por porque posso pra qual quando quanto que quem quero se sem ser seu sua são só também
    pt: te tem temos tenho ter teu todos tudo tá um uma vai vamos você vocês vou à às
    it: a ai al alla anche c che chi ci come con cosa cui da dai dal dalla dei del della delle di
    it: dove e è ed era gli ha hai hanno ho i il in io l la le lei lo loro lui ma me mi mia mio ne
    it: nei nel nella noi non o per perché più poi quale quando quanto quello questa questo se sei
    it: si siamo solo sono su sua sul ti tra tu tutti un una uno va vi voi è
    nl: aan al als bij ben dan dat de die dit doen dus een en er geen gaan gaat had heb hebben heeft
    nl: het hij hoe iemand iets ik in is ja je jij jullie kan kunnen maar me meer met mij mijn moet
    nl: naar niet nog nu of om omdat ons onze ook op over te toch tot uit van veel voor waar wanneer
    nl: waarom was wat we wel wie wij wil worden wordt ze zij zijn zo zou zullen
    ru: а без бы был была были быть в вас ведь весь во вот все всё всех вы где да для до ещё еще его
    ru: если есть её ее ей же за и из или им их к как какой когда кого кто куда ли меня мне может мы
    ru: на надо нам нас не нет ни но ну о он она они от очень по под пока почему при про с сейчас
    ru: себя сколько со так там то тоже только ты тебя тебе у уже чего чем что чтобы эта эти это я
    ar: أن أنا أنت أو أي أين إلى إن الآن التي الذي ثم على عن عند في قد كان كل كم كيف لا لم لن له لها
    ar: لي ليس ما ماذا متى مع من نحن هذا هذه هل هنا هو هي و يا
    hi: और आप इस उस एक ऐसा कब कर करना का कि किस की के को कौन क्या कहाँ कहां क्यों गया जो तक तुम तो था थी
    hi: थे नहीं ने पर भी मुझे में मैं मेरा यह ये रहा रही रहे लिए वह वे वो साथ से हम हमें हूँ हूं है हैं हो
    """  # noqa: RUF001 - words of many scripts
)

TINY = _table(
    """
    en: awesome bye cheers congrats congratulations cool day dear fine good goodnight great guys ha
    en: haha hahaha happy hello hey hi hmm hugs lol love lovely morning nice night nope oh ok okay
    en: omg perfect right same see sorry sounds super sure thank thanks thx true welcome wow xd xx
    en: yay yeah yep yes yup
    de: abend danke gern gerne gut guten gute hallo haha hey hi hihi jo klar lg liebe lieben lustig
    de: moin morgen na nacht nein nett oh ok okay passt perfekt prima schön super tag toll tschüss
    de: stimmt
    es: adiós bien bueno buena buenas buenos claro dale días genial gracias guay hola ja jaja jajaja
    es: noches oh ok okay perfecto súper tardes buen día
    fr: bah bisous bon bonne bonjour bonsoir chouette coucou accord génial haha hello
    fr: journée merci mdr non nuit ok oui ouais parfait salut soir soirée super
    pt: abraço abraços adeus beijo beijos bem boa bom claro dia haha kkk kkkk legal noite obrigada
    pt: obrigado oi ok olá ótimo perfeito rs rsrs sim tarde valeu
    it: bene buon buona buono certo ciao grazie haha notte ok okay perfetto sera sì giorno
    nl: bedankt dag dank doei fijn goed goede haha hallo hoi leuk mooi nee oke oké ok top
    ru: ага ахах ахаха вечер доброе добрый ладно ок окей отлично пасибо пока привет спасибо супер
    ru: хаха хорошо утро
    ar: أهلا السلام تمام حسنا شكرا صباح عليكم مرحبا مساء نعم الخير
    hi: अच्छा जी ठीक धन्यवाद नमस्ते बहुत शुक्रिया हाँ हां
    """  # noqa: RUF001 - words of many scripts
)

PLAN = _table(
    """
    en: address agree agreed appointment april august bill book booked booking bring budget buy call
    en: cancelled canceled confirm confirmed cost costs deadline december decide decided decision
    en: done due february fee final finally flight friday invite invited january july june leave
    en: leaves march meet meeting meets moved monday must november october office paid pay plan
    en: postponed price promise promised reminder reserved saturday send september sent start starts
    en: station sunday summary ticket tickets thursday today tomorrow tonight train tuesday vote
    en: wednesday week weekend deploy release bug fix broken urgent problem closes opens collect
    de: absagen abgesagt adresse april august bahnhof beschlossen besorgen besorge bezahlen bezahlt
    de: bringe bringen bringst bringt buche buchen dezember dienstag donnerstag dringend entschieden
    de: erledigt februar freitag fällig frist gebucht heute januar juli juni kaufe kaufen kosten
    de: kostet mai mittwoch montag märz november oktober preis problem rechnung reserviert samstag
    de: sonntag september spätestens termin treffen treffpunkt uhr verschoben wochenende woche zug
    de: überweisen überweist schicke schickt fertig fehler
    es: abril acordado agosto billetes cancelado cena comprar compro confirmado cuesta cuestan
    es: decidido dinero diciembre dirección domingo enero entradas estación euros febrero hora hoy
    es: jueves julio junio llevar llevo lunes martes marzo mañana miércoles noviembre octubre pagar
    es: pago plazo precio problema quedamos reserva reservado reservar reunión semana septiembre
    es: sábado tren traer traigo trae urgente viernes
    fr: achète acheter adresse annulé août apporte apporter aujourd avril billets confirmé coûte
    fr: date décembre décidé demain dimanche euros février gare heure heures janvier jeudi juillet
    fr: juin lundi mai mardi mars mercredi novembre octobre paie payer prix problème rendez réservé
    fr: réserve réserver réunion samedi semaine septembre train urgent vendredi week reporté
    pt: abril agosto amanhã bilhetes cancelado comprar compro confirmado custa custam decidido
    pt: dezembro domingo endereço estação euros fevereiro hoje hora horas janeiro julho junho levar
    pt: levo maio março novembro outubro pagar pago prazo preço problema quarta quinta reais reserva
    pt: reservado reservei reunião sábado segunda semana setembro sexta terça trazer trago traz trem
    pt: comboio urgente
    it: agosto aprile biglietti confermato costa deciso domani domenica euro giovedì giugno lunedì
    it: luglio martedì mercoledì oggi ora ore porto porta prenotato prezzo problema riunione sabato
    it: settembre settimana stazione treno urgente venerdì
    nl: adres afgesproken augustus betalen betaald breng brengen dinsdag donderdag geboekt kopen
    nl: kost maandag morgen prijs probleem station trein uur vandaag vergadering vrijdag weekend
    nl: woensdag zaterdag zondag
    ru: адрес билет билеты бюджет вечером вокзал вокзале воскресенье вторник встреча встречаемся
    ru: встретимся заказал заказала завтра купить куплю оплатить отменили перенесли пятницу
    ru: поезд понедельник привезу принесу рублей решили сегодня среду срочно стоит субботу суббота
    ru: цена часов четверг
    ar: اجتماع الأحد الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت اليوم الساعة القطار المحطة تذاكر
    ar: سأحضر سعر غدا موعد نلتقي
    hi: आज कल ट्रेन टिकट बजे बैठक रविवार सोमवार मंगलवार बुधवार गुरुवार शुक्रवार शनिवार मिलेंगे लाऊँगा
    hi: लाऊंगी लाऊँगी स्टेशन
    """
)

LANGUAGES = tuple(STOP)
"""Their codes, in the order in which a tie is decided."""
