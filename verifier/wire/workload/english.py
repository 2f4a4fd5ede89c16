"""The rule tables of the writing suggestions: English words and phrases, and what replaces them.

Ours, small on purpose, and readable as they stand: whoever reads this page knows every change that
a suggestion can make. Each line is ``from = to``; an empty right side drops the phrase. A phrase
is found whole, whatever its case. Source: docs/spec/workload.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "CONTRACTED",
    "EXPANDED",
    "FUNCTION_WORDS",
    "GREETINGS",
    "MISSPELT",
    "PLAIN",
    "SHORTHAND",
    "SOFTENED",
    "STATELY",
    "WORDY",
]


def _table(text: str) -> Mapping[str, str]:
    rules = (line.partition(" =") for line in text.strip().splitlines())
    return MappingProxyType({left.strip(): right.strip() for left, _, right in rules})


_FUNCTION_WORDS = """
a about and are at be but can could did do does for from get have he how i if is it me my no not of
on or please she so thanks that the there they this to was we what when where will with would you
your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""A text with one of these is taken for English; the tables touch no other."""

GREETINGS = frozenset({"dear", "good", "greetings", "hello", "hey", "hi"})
"""A text that begins with one of these has a greeting already."""

MISSPELT = _table(
    """
    accomodate = accommodate
    acheive = achieve
    adress = address
    alot = a lot
    arent = aren't
    arguement = argument
    becuase = because
    beleive = believe
    calender = calendar
    cant = can't
    collegue = colleague
    comming = coming
    couldnt = couldn't
    definately = definitely
    didnt = didn't
    doesnt = doesn't
    dont = don't
    embarass = embarrass
    enviroment = environment
    existance = existence
    finaly = finally
    foward = forward
    freind = friend
    goverment = government
    happend = happened
    hasnt = hasn't
    havent = haven't
    hte = the
    im = I'm
    immediatly = immediately
    independant = independent
    isnt = isn't
    ive = I've
    mesage = message
    neccessary = necessary
    noone = no one
    occured = occurred
    ocurred = occurred
    publically = publicly
    realy = really
    recieve = receive
    recieved = received
    recomend = recommend
    refering = referring
    remeber = remember
    seperate = separate
    shouldnt = shouldn't
    sincerly = sincerely
    succesful = successful
    suprise = surprise
    teh = the
    tommorow = tomorrow
    tomorow = tomorrow
    truely = truly
    untill = until
    wasnt = wasn't
    wich = which
    wierd = weird
    wont = won't
    wouldnt = wouldn't
    writting = writing
    youre = you're
    """
)
"""Words that are no English words (hence not "well", "its", "were"), and what they stand for."""

CONTRACTED = _table(
    """
    are not = aren't
    can not = can't
    cannot = can't
    could not = couldn't
    did not = didn't
    do not = don't
    does not = doesn't
    has not = hasn't
    have not = haven't
    i am = I'm
    i have not = I haven't
    i will = I'll
    i would = I'd
    is not = isn't
    it is = it's
    let us = let's
    should not = shouldn't
    that is = that's
    they are = they're
    was not = wasn't
    we are = we're
    we will = we'll
    were not = weren't
    will not = won't
    would not = wouldn't
    you are = you're
    you will = you'll
    """
)

EXPANDED = _table(
    """
    aren't = are not
    can't = cannot
    couldn't = could not
    didn't = did not
    doesn't = does not
    don't = do not
    hasn't = has not
    haven't = have not
    i'll = I will
    i'm = I am
    i've = I have
    isn't = is not
    let's = let us
    shouldn't = should not
    they're = they are
    wasn't = was not
    we'll = we will
    we're = we are
    we've = we have
    weren't = were not
    won't = will not
    wouldn't = would not
    you'll = you will
    you're = you are
    you've = you have
    """
)
"""Contractions with one meaning (hence not "he's" or "I'd")."""

SHORTHAND = _table(
    """
    asap = as soon as possible
    bc = because
    btw = by the way
    cuz = because
    dunno = do not know
    fyi = for your information
    gimme = give me
    gonna = going to
    gotta = have to
    haha =
    idk = I do not know
    imo = in my opinion
    kinda = rather
    lemme = let me
    lol =
    nope = no
    ok = all right
    okay = all right
    pls = please
    plz = please
    thx = thank you
    ty = thank you
    u = you
    ur = your
    wanna = want to
    yeah = yes
    yep = yes
    """
)

PLAIN = _table(
    """
    a large number of = many
    a majority of = most
    as soon as possible = soon
    at this point in time = now
    at your earliest convenience = soon
    by means of = by
    despite the fact that = although
    due to the fact that = because
    for the purpose of = for
    has the ability to = can
    have the ability to = can
    in addition to = besides
    in order to = to
    in spite of the fact that = although
    in the event that = if
    in the near future = soon
    is able to = can
    make a decision = decide
    prior to = before
    subsequent to = after
    until such time as = until
    with regard to = about
    with respect to = about
    """
)
"""Long ways to say a short word."""

WORDY = _table(
    """
    actually =
    as a matter of fact =
    at the end of the day =
    basically =
    for what it is worth =
    i just wanted to say that =
    i think that =
    i would like to say that =
    in my opinion =
    it should be noted that =
    just =
    literally =
    needless to say =
    obviously =
    please note that =
    quite =
    really =
    simply =
    to be honest =
    very =
    """
)
"""What a sentence says as well without."""

SOFTENED = _table(
    """
    asap = when you get a chance
    as soon as possible = when you get a chance
    i demand = I would love
    i disagree = I see it a little differently
    i need you to = could you please
    i want you to = could you please
    immediately = soon
    that is wrong = I am not sure that is right
    that's wrong = I'm not sure that's right
    you have to = it would be great if you could
    you must = it would be great if you could
    you need to = it would be great if you could
    you should = maybe you could
    """
)

STATELY = _table(
    """
    a lot of = many
    ask for = request
    buy = purchase
    can you = could you
    find out = determine
    get back to = respond to
    give me = provide me with
    hello = good day
    help = assist
    hey = good day
    hi = good day
    let me know = inform me
    sorry = I apologise
    talk about = discuss
    thanks = thank you
    think about = consider
    """
)
"""Everyday words, and what one writes to strangers."""
