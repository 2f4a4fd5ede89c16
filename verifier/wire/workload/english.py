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
    "GREETINGS",
    "MISSPELT",
    "PLAIN",
    "SHORTHAND",
    "SOFTENED",
    "SOONER",
    "STATELY",
    "WORDY",
]


def _table(text: str) -> Mapping[str, str]:
    rules = (line.partition(" =") for line in text.strip().splitlines())
    return MappingProxyType({left.strip(): right.strip() for left, _, right in rules})


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
    could of = could have
    could of course = could of course
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
    should of = should have
    should of course = should of course
    shouldnt = shouldn't
    sincerly = sincerely
    succesful = successful
    suprise = surprise
    teh = the
    thats = that's
    theres = there's
    theyre = they're
    theyve = they've
    tommorow = tomorrow
    tomorow = tomorrow
    truely = truly
    untill = until
    wasnt = wasn't
    weve = we've
    whats = what's
    wich = which
    wierd = weird
    wont = won't
    would of = would have
    would of course = would of course
    wouldnt = wouldn't
    writting = writing
    youre = you're
    youve = you've
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
    had not = hadn't
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
    ain't = is not
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
    it'll = it will
    it's a = it is a
    it's an = it is an
    it's fine = it is fine
    it's going to = it is going to
    it's good = it is good
    it's great = it is great
    it's important = it is important
    it's in = it is in
    it's my = it is my
    it's not = it is not
    it's on = it is on
    it's so = it is so
    it's the = it is the
    it's too = it is too
    it's very = it is very
    let's = let us
    she'll = she will
    shouldn't = should not
    that's a = that is a
    that's fine = that is fine
    that's good = that is good
    that's great = that is great
    that's not = that is not
    that's the = that is the
    there's a = there is a
    there's no = there is no
    they'll = they will
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
    omg =
    pls = please
    plz = please
    tbh = to be honest
    tho = though
    thx = thank you
    tmrw = tomorrow
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
    and also = and
    as a matter of fact =
    at the end of the day =
    basically =
    for what it is worth =
    i just wanted to say that =
    i think that =
    i was just wondering if = I wonder if
    i would like to say that =
    in my opinion =
    it should be noted that =
    just =
    just after = just after
    just as = just as
    just before = just before
    just in case = just in case
    just in time = just in time
    literally =
    needless to say =
    not just = not just
    not quite = not quite
    not really = not really
    not simply = not simply
    not very = not very
    obviously =
    please note that =
    quite =
    quite a = quite a
    really =
    simply =
    the very = the very
    to be honest =
    very =
    very good = good
    very important = important
    very much = very much
    """
)
"""What a sentence says as well without."""

SOFTENED = _table(
    """
    i demand = I would love
    i disagree = I see it a little differently
    i need you to = could you please
    i want you to = could you please
    please, send me = please, send me
    please, tell me = please, tell me
    send me = please send me
    tell me = please tell me
    that is wrong = I am not sure that is right
    that's wrong = I'm not sure that's right
    why did you not = may I ask why you did not
    why didn't you = may I ask why you didn't
    you have to = it would be great if you could
    you have to be = you have to be
    you must = it would be great if you could
    you must be = you must be
    you must have = you must have
    you need to = it would be great if you could
    you need to know = you need to know
    you should = maybe you could
    you should be = you should be
    you should know = you should know
    """
)

SOONER = _table(
    """
    as soon as possible = as soon as you can
    asap = as soon as you can
    immediately = as soon as you can
    right away = as soon as you can
    right now = as soon as you can
    """
)
"""Haste, and what asks for the same without it."""

STATELY = _table(
    """
    ask for = request
    buy = purchase
    can i = may I
    can you = could you
    find out = determine
    get back to = respond to
    give me = provide me with
    give me a call = call me
    hey = hello
    hi = hello
    i am sorry for being = I apologise for being
    i am sorry for the = I apologise for the
    i want to = I would like to
    kids = children
    sorry for being = I apologise for being
    sorry for the = I apologise for the
    talk about = discuss
    thanks = thank you
    thanks a lot = thank you very much
    """
)
"""Everyday words, and what one writes to strangers."""
