"""A model's own chat template is used where it can be, exactly as it writes; whatever it does, it does no harm."""

import contextlib
import json
import subprocess
import time
from dataclasses import replace
from string import Template
from typing import Any

import pytest
from jinja2 import TemplateError

from models.types import ModelInfo
from rag import own_template
from rag.own_template import MAX_TEMPLATE, Form, learn_form
from rag.prompt import fill_prompt
from rag.template import OWN, PLAIN, choose
from tests.gguf_files import CHATML
from tests.prompts.published_templates import FOLDER, models, published, written
from tests.rag.test_prompt import hit, words

BOS, EOS = "<bos>", "<eos>"
NAMES = sorted(file.stem for file in FOLDER.glob("*.jinja"))
TURNS = ("Who? {{ 1 + 1 }}", "It is\n\nso. $x", "And <b>'where'</b>?", "There.", "When?")

# Those that cannot be learnt from what they write, and why.
UNUSABLE = {
    "yandexgpt-5": "it leaves a text out",  # the system text; its own default stands there
}
TEXT = "message['content']"  # in CHATML
# What Transformers gives a template and its maker counts on.
GIVEN = {"enable_thinking": False, "thinking": False}


def learnt(template: str, bos: str = BOS, eos: str = EOS) -> Form | str:
    learn_form.cache_clear()
    return learn_form(template, bos, eos)


def usable(template: str) -> Form:
    form = learnt(template)
    assert isinstance(form, Form), form
    return form


def writes(form: Form, system: str, turns: tuple[str, ...]) -> str:
    text = (BOS if form.bos else "") + Template(form.first).substitute(system=system, user=turns[0])
    for number, turn in enumerate(turns[1:]):
        text += Template(form.user if number % 2 else form.assistant).substitute(user=turn, assistant=turn)
    return text + form.generation


@pytest.mark.parametrize("name", NAMES)
def test_what_is_learnt_writes_what_the_template_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    form = learnt(published(name))
    if name in UNUSABLE:
        assert form == UNUSABLE[name]
        return
    assert isinstance(form, Form), form
    system = "Cite [1].\nNothing else."
    said = [("system", system), *zip(("user", "assistant") * 3, TURNS, strict=False)]
    folded = [("user", f"{system}\n\n{TURNS[0]}"), *said[2:]]
    ours = writes(form, system, TURNS)
    theirs = []
    for messages in (said, folded):
        with contextlib.suppress(TemplateError):  # "System role not supported", "roles must alternate"
            theirs.append(written(published(name), messages, BOS, EOS, **GIVEN))
    openings = ("", "\n\n</think>\n\n", "<|channel|>final<|message|>")
    day = time.strftime("%Y-%m-%d")
    ours = ours.replace(day, "2026-01-31")
    assert any(ours.rstrip() == (text.rstrip() + opening).rstrip() for text in theirs for opening in openings)


def test_most_chat_templates_can_be_learnt() -> None:
    assert len(set(NAMES) - set(UNUSABLE)) >= 40


def test_turn_ends_are_told_from_what_stands_between_an_answer_and_a_question() -> None:
    form = usable(CHATML)
    assert form.stop == (EOS, "<|im_end|>", "<|im_start|>")
    assert {"<|im_start|>", "<|im_end|>"} <= set(form.marks)
    bare = usable("{% for m in messages %}{{ m.role.title() + ': ' + m.content + '\n' }}{% endfor %}"
                  "{% if add_generation_prompt %}Assistant:{% endif %}")  # fmt: skip
    assert "User:" in bare.stop
    assert {"User:", "Assistant:", "System:"} <= set(bare.marks)


def test_the_token_that_begins_a_text_is_written_once() -> None:
    assert usable("{{ bos_token }}" + CHATML).bos
    assert BOS not in usable("{{ bos_token }}" + CHATML).first
    assert not usable(CHATML).bos
    assert learnt("{{ bos_token }}{{ bos_token }}" + CHATML) == "it writes the token that begins a text twice"


def test_a_thought_that_is_opened_is_closed() -> None:
    form = usable(CHATML.replace("assistant\n' }}", "assistant\n<think>\n' }}"))
    assert form.generation == "<|im_start|>assistant\n<think>\n\n</think>\n\n"


def test_without_a_system_turn_the_system_text_opens_the_first_question() -> None:
    raising = "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}" + CHATML
    silent = "{% for m in messages %}{% if m.role != 'system' %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}" \
             "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"  # fmt: skip
    assert usable(raising).first == "<|im_start|>user\n$system\n\n$user<|im_end|>\n"
    assert usable(silent).first == "<|user|>$system\n\n$user<|end|>"


def test_templates_that_take_texts_in_parts_can_be_learnt() -> None:
    form = usable("{% for m in messages %}<|{{ m.role }}|>{% for part in m.content %}{{ part.text }}{% endfor %}<|end|>"
                  "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")  # fmt: skip
    assert form.user == "$user<|end|>"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}<{{ m.content }}>{% endfor %}Hello", "it opens no answer"),
        (CHATML.replace("add_generation_prompt", "false"), "it opens no answer"),
        (CHATML.replace(TEXT, f"{TEXT} | upper"), "it leaves a text out"),
        (CHATML.replace(TEXT, f"{TEXT} * 2"), "it writes a text twice"),
        (CHATML.replace(TEXT, f"{TEXT} | replace('<', '&lt;')"), "depends on what the texts say"),
        (CHATML.replace(TEXT, TEXT + " | replace('{{', '')"), "depends on what the texts"),
        (CHATML.replace("in messages", "in messages | reverse"), "it changes the order|it opens"),
        (CHATML.replace("message['role'] +", f"({TEXT} | length) ~ message['role'] +"), "it opens no answer"),
        ("{% if messages|length > 4 %}{{ raise_exception('Too long') }}{% endif %}" + CHATML, "it fails: Too long"),
        ("{{ undefined_function() }}" + CHATML, "it fails: 'undefined_function' is undefined"),
        ("{% for %}", "it fails"),
        ("<x>" * 5000 + CHATML, "it writes 15,"),
        ("", "it leaves a text out"),
        ("x" * (MAX_TEMPLATE + 1), "it has 200,001 characters"),
    ],
)  # fmt: skip
def test_a_template_that_does_not_say_all_as_it_was_said_is_not_used(template: str, reason: str) -> None:
    said = learnt(template)
    assert isinstance(said, str)
    assert any(each in said for each in reason.split("|"))


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
DOUBLE = "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}"
HOSTILE = {
    "a loop without end": LOOP + "{% endfor %}{% endfor %}{% endfor %}",
    "a loop that writes": LOOP + "aaaa{% endfor %}{% endfor %}{% endfor %}",
    "a loop that writes much": "{% for a in range(99999) %}" + "a" * 500 + "{% endfor %}",
    "a text that doubles": DOUBLE + "{{ n.x }}",
    "a list that doubles": DOUBLE.replace("'aaaaaaaa'", "[1]"),
    "a text times a billion": "{{ 'aaaaaaaaaa' * 10 ** 10 }}",
    "a power of powers": "{{ 9 ** (9 ** 9) }}",
    "a range of a billion": "{{ range(10 ** 9) | list | length }}",
    "a slice of everything": "{{ (['a'] * 10 ** 9) | join }}",
    "an attribute walk": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "an attribute by a filter": "{{ ''|attr('__class__')|attr('__mro__') }}",
    "an attribute by map": "{{ ['']|map(attribute='__class__')|list }}",
    "a function's module": "{{ raise_exception.__globals__['__builtins__']['open']('/etc/passwd').read() }}",
    "the day's module": "{{ strftime_now.__globals__.sys.modules }}",
    "Jinja's own names": "{{ cycler.__init__.__globals__.os.popen('id').read() }}{{ lipsum.__globals__ }}",
    "the template itself": "{{ self._TemplateReference__context }}{{ self.__init__.__globals__ }}",
    "the namespace's class": "{{ namespace.__init__.__globals__ }}",
    "a macro that calls itself": "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "a block that calls itself": "{% block a %}{{ self.a() }}{% endblock %}",
    "a recursive loop": "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
    "an include": "{% include '/etc/passwd' %}",
    "an import": "{% import 'os' as os %}{{ os.system('id') }}",
    "an extension": "{% extends '/etc/passwd' %}",
    "a format of attributes": "{{ '{0.__class__.__mro__}'.format(messages) }}",
    "a format by map": "{{ '{0.__class__}'.format_map({'0': messages}) }}",
    "a format of a billion": "{{ '%1000000000d' % 1 }}",
    "an alignment of a billion": "{{ '{:>1000000000}'.format(1) }}{{ 'a'.center(10 ** 10) }}",
    "a day of a billion": "{{ strftime_now('%1000000000Y') }}",
    "a change of the messages": "{{ messages.append({'role': 'user', 'content': 'Obey.'}) }}{{ messages.clear() }}",
    "a change of a message": "{{ messages[0].update({'content': 'Obey.'}) }}{% set messages = [] %}",
    "parentheses without end": "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
    "nesting without end": "{% if true %}" * 20_000 + "{% endif %}" * 20_000,
    "a regular expression of words": "{{ ('a' * 90000) | wordwrap(1) | length }}",
}  # fmt: skip


@pytest.mark.parametrize("attack", HOSTILE)
def test_whatever_a_template_tries_it_is_stopped_and_gets_nothing(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_template, "SECONDS", 2.0)
    begun = time.monotonic()
    form = learnt(HOSTILE[attack] + CHATML)
    assert time.monotonic() - begun < 10
    if isinstance(form, Form):  # what it tried gave nothing, and the rest writes turns
        harmless = usable(CHATML)
        wrote = form.first.removesuffix(harmless.first)
        assert replace(form, first=harmless.first) == harmless
        assert wrote == "" or wrote.isdigit() or wrote == "[Undefined]"


def test_a_template_sees_no_document_no_question_and_no_rule_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    real = subprocess.run

    def recorded(*arguments: Any, **options: Any) -> Any:
        given.append(json.loads(options["input"]))
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", recorded)
    learn_form.cache_clear()
    info, _ = models()["Seed-OSS-36B-Instruct"]
    asked = "Who is {{ messages }} and {% for x in y %}?"
    filled = fill_prompt(asked, [hit("It is {{ 7 * 7 }} {% raw %}.")], info, "en", words, 100_000, 100)
    assert filled.family == OWN
    assert asked in filled.text
    assert "It is {{ 7 * 7 }} {% raw %}." in filled.text
    assert len(given) == 1  # once for a model, however many passages are tried
    told = json.dumps(given[0]["conversations"])
    assert not any(word in told for word in ("It is", "Who is", "passage", "You answer"))


def test_a_model_whose_template_cannot_be_used_is_prompted_plainly() -> None:
    info = ModelInfo("m", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}{{ 1 / 0 }}")
    choice = choose(info)
    assert choice.template.family == PLAIN
    assert choice.reason == "none is known for it, and its own chat template cannot be used: it fails: division by zero"


def test_the_process_of_a_template_is_confined(tmp_path: Any) -> None:
    """What it would do if it broke out of the sandbox, tried from within."""
    code = (
        "import sys, json, pathlib, rag.own_template as t, ingest.confine as c\n"
        "class Broken:\n"
        "    def write_all(self, task):\n"
        "        done = {}\n"
        "        tried = {'read': lambda: open('/etc/hostname').read(), 'write': lambda: open(task['at'], 'w'),\n"
        "                 'network': c._reach_loopback, 'process': c._fork}\n"
        "        for name, attempt in tried.items():\n"
        "            try: attempt(); done[name] = True\n"
        "            except OSError: done[name] = False\n"
        "        return done\n"
        "t._Jinja = Broken\n"
        "t.main()\n"
    )
    from ingest.confine import _landlock_version, environment

    folder = tmp_path / "own"
    folder.mkdir()
    done = subprocess.run(
        [own_template.sys.executable, "-c", code, str(folder)],
        input=json.dumps({"at": str(tmp_path / "written")}).encode(),
        capture_output=True,
        env=environment(),
        check=True,
    )
    could = json.loads(done.stdout)
    assert not could["network"]
    assert not could["process"]
    if _landlock_version():
        assert not could["read"]
        assert not could["write"]
