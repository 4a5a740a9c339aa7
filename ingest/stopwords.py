"""Words too common to search for, folded (no accents): articles, prepositions, pronouns, auxiliaries,
question words. Short by intent: a word that could be what someone looks for is not in it."""

_ENGLISH = """
a about above after again against all also am an and any are as at be because been before being below between both but
by can cannot could did do does doing down during each few for from further had has have having he her here hers
herself him himself his how i if in into is it its itself just let many me more most much must my myself no nor not of
off on once only or other ought our ours ourselves out over own same shall she should so some such than that the their
theirs them themselves then there these they this those through to too under until up upon very was we were what when
where which while who whom whose why will with would you your yours yourself yourselves
"""

_SPANISH = """
a al algo algun alguna algunas alguno algunos ante antes aquel aquella aquellas aquellos aqui asi aun aunque cada
como con contra cual cuales cualquier cuando cuanta cuantas cuanto cuantos cuya cuyas cuyo cuyos de del desde donde
durante e el ella ellas ello ellos en entre era eran es esa esas ese eso esos esta estaba estaban estan estar estas
este esto estos estuvo fue fueron ha habia habian han hasta hay haya la las le les lo los mas me mi mis mucho muy
nada ni no nos nosotros nuestra nuestras nuestro nuestros o os otra otras otro otros para pero poco por porque pues
que quien quienes se sea sean segun ser si sin sino sobre son soy su sus suya suyas suyo suyos tal tambien tanto te
tiene tienen toda todas todo todos tras tu tus u un una unas uno unos y ya yo
"""

STOPWORDS: dict[str, frozenset[str]] = {
    "en": frozenset(_ENGLISH.split()),
    "es": frozenset(_SPANISH.split()),
}
