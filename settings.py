"""Settings: one frozen value, grouped by stage.

Order of precedence: flags > environment (CITA_RETRIEVE__K=5) > cita.toml in the home > the defaults here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as UnreadableVariableError

import rag.types
from errors import SettingsError, UsageError
from rag.types import Abstain, AnswerLanguage, Length, Tone

CODE = Path(__file__).resolve().parent


# What a profile may set too, within the same bounds.
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
MinP = Annotated[float, Field(ge=0, le=1)]
RepeatPenalty = Annotated[float, Field(gt=0, le=2)]
MaxTokens = Annotated[int, Field(ge=1)]
ContextTokens = Annotated[int, Field(ge=256)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Threads = Annotated[int, Field(ge=0)]
Batch = Annotated[int, Field(ge=0)]
GpuLayers = Annotated[int, Field(ge=-1)]
FlashAttention = Literal["auto", "on", "off"]
CacheKind = Literal["auto", "f16", "q8_0", "q4_0"]
Persona = Annotated[str, Field(max_length=500)]
PassageNumber = Annotated[int, Field(ge=1, le=200)]

ProfileName = Annotated[str, Field(pattern=r"^\w([\w .+-]{0,38}\w)?$")]


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parse(Group):
    """Limits of one document's worker process. A document gets `seconds` plus one second per megabyte."""

    seconds: float = Field(default=60.0, gt=0)
    memory_mb: int = Field(default=4096, ge=512)
    max_file_mb: int = Field(default=200, ge=1)
    workers: int = Field(default=2, ge=1, le=64)


class Ocr(Group):
    """Text recognition. `languages` as Tesseract names them (eng+spa); those that are not installed are left out.
    200 dots per inch find as many words as 300, in less time (benchmarks/results/ocr.md)."""

    on: bool = True
    languages: str = Field(default="eng+spa", pattern=r"^\w+(/\w+)?(\+\w+(/\w+)?)*$")
    dpi: int = Field(default=200, ge=72, le=600)


class Chunk(Group):
    """Sizes in the embedder's tokens. A passage with its headings always fits the embedder's window."""

    tokens: int = Field(default=200, ge=16)
    heading_tokens: int = Field(default=40, ge=0)


class Embed(Group):
    """`model` is a sentence-transformers folder or name; the default's weights come with the install. The prefixes are
    those that its folder names unless they are set here ("query: " and "passage: " for the first E5 models)."""

    model: str = "cita-minilm-en-es"
    runtime: Literal["auto", "onnx", "torch"] = "auto"
    precision: Literal["auto", "fp32", "int8"] = "auto"  # of ONNX Runtime; auto: int8 where it is measured to serve
    batch: int = Field(default=8, ge=1)
    threads: int = Field(default=0, ge=0, description="0: one per core that the process may use")
    query_prefix: str | None = None
    passage_prefix: str | None = None


class Retrieve(Group):
    k: PassageNumber = 8
    candidates: int = Field(default=100, ge=1, le=10_000)


class Rerank(Group):
    """`model` is the folder of a cross-encoder of sentence-transformers, a GGUF reranker, or the name of one in the
    home's models; "off" for none; "auto" for one that `cita eval` measured to help and to add at most `seconds` to a
    search (median). It reads the first `best` passages of a search again; its best gains `weight` over its worst."""

    model: str = Field(default="auto", min_length=1)
    best: int = Field(default=20, ge=1, le=200)
    weight: float = Field(default=0.5, gt=0)
    seconds: float = Field(default=0.5, gt=0)


class Rewrite(Group):
    """What a question is turned into before it is searched for. `follow_ups`, which lean on the conversation, are made
    to stand alone by the model where one answers, by rules, or not at all. `split`: the sides of a comparison are
    searched for one by one, and what a question excludes is left out. So many `phrasings` more, and a `translation`,
    by the model: each costs a call before the search, and is off as it was not shown to help. `seconds` is for all
    calls of one question together; what is not there by then is done without."""

    follow_ups: Literal["model", "rules", "off"] = "model"
    split: bool = True
    phrasings: int = Field(default=0, ge=0, le=5)
    translation: bool = False
    seconds: float = Field(default=10.0, gt=0)


class Context(Group):
    """What a model is given. At most `per_source` passages of one source while others are left; the `neighbours` of so
    many of the best passages where these are cut or short."""

    per_source: int = Field(default=4, ge=1)
    neighbours: int = Field(default=3, ge=0)


class Generate(Group):
    """`model` empty: the one picked with `cita models use`, else extractive. `grammar`: each sentence of an answer must
    end in the number of a passage that is there, or the whole is the abstention. A `temperature` of 0 takes the
    likeliest token each time; above it `seed`, `top_p` and `min_p` count.

    What this machine suits is chosen (`cita doctor` shows it) where `threads` or `batch` is 0, `gpu_layers` is -1 or
    the others are "auto". `cache` is the kind of the key-value cache: the smaller ones need flash attention.

    At most `loaded` models are held in memory at once, fewer where it is short: the one not used for longest goes."""

    model: str = ""
    grammar: bool = True
    temperature: Temperature = 0.0
    top_p: TopP = 0.95
    min_p: MinP = 0.05
    repeat_penalty: RepeatPenalty = 1.0
    max_tokens: MaxTokens = 512
    context: ContextTokens = 4096
    seed: Seed = 0
    threads: Threads = 0
    batch: Batch = 0
    gpu_layers: GpuLayers = -1
    flash_attention: FlashAttention = "auto"
    cache: CacheKind = "auto"
    loaded: int = Field(default=2, ge=1, le=16)


class Answer(Group):
    """`abstain`: how sure it must be that the documents hold an answer before one is given; "helpful" gives one where
    it may be there, "strict" only where little speaks against it (benchmarks/results/answers.md has what each costs).
    `profile` is the name of the one that questions are answered by unless another is asked for, `deeper` that of the
    one that the app offers below an answer; '' for none."""

    abstain: Abstain = "balanced"
    profile: str = ""
    deeper: str = ""


class Voice(Group):
    """How answers are said. `persona` is who says them ("the librarian of a law firm"); `language` "question" is that
    of each question. A model is shown at most so many `examples` (`cita examples`) whose questions are like the one
    asked. A table of its own, `[instructions]`, has what a model is told when passages of a folder are before it:
    "contracts/" = "Name the clause." ("/" is every folder)."""

    persona: Persona = ""
    tone: Tone = "neutral"
    length: Length = "middle"
    language: AnswerLanguage = "question"
    examples: int = Field(default=2, ge=0, le=10)


class Profile(Group):
    """A way to answer under a name, `[profiles.NAME]`: a model, what it is told, how many passages it reads and how
    sure it must be. What is not set is as it is in [generate], [voice], retrieve.k and answer.abstain."""

    model: str | None = None
    k: PassageNumber | None = None
    abstain: Abstain | None = None
    persona: Persona | None = None
    tone: Tone | None = None
    length: Length | None = None
    language: AnswerLanguage | None = None
    grammar: bool | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    min_p: MinP | None = None
    repeat_penalty: RepeatPenalty | None = None
    max_tokens: MaxTokens | None = None
    context: ContextTokens | None = None
    seed: Seed | None = None
    threads: Threads | None = None
    batch: Batch | None = None
    gpu_layers: GpuLayers | None = None
    flash_attention: FlashAttention | None = None
    cache: CacheKind | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """What it sets, by name."""
        return self.model_dump(exclude_none=True)


class Verify(Group):
    """What is done with sentences of a model's answer that no passage carries: they are marked, or dropped (of an
    answer of nothing else remains that the documents don't say). `model` is the folder of an NLI or MiniCheck-type
    sequence classification model, which then has a word in it; '' for none."""

    unsupported: Literal["mark", "drop"] = "mark"
    model: str = ""


class History(Group):
    """`on`: conversations are kept in conversations.db in the home; off: nothing is written."""

    on: bool = True


class App(Group):
    port: int = Field(default=8501, ge=1, le=65535)
    language: Literal["auto", "en", "es"] = "auto"


class Watch(Group):
    """Seconds. A change is indexed once the folders are `quiet`, or `at_most` so long after the first one.

    The folders are looked through every `reconcile` seconds, those without events every `poll`. `app`: while it runs.
    """

    app: bool = True
    quiet: float = Field(default=0.5, gt=0)
    at_most: float = Field(default=10.0, gt=0)
    reconcile: float = Field(default=300.0, gt=0)
    poll: float = Field(default=30.0, gt=0)


class Settings(BaseSettings):
    """Everything a person can set. Values only, never live objects; change with `model_copy(update=...)`."""

    model_config = SettingsConfigDict(
        env_prefix="CITA_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = CODE / "data"
    parse: Parse = Parse()
    ocr: Ocr = Ocr()
    chunk: Chunk = Chunk()
    embed: Embed = Embed()
    retrieve: Retrieve = Retrieve()
    rerank: Rerank = Rerank()
    rewrite: Rewrite = Rewrite()
    context: Context = Context()
    generate: Generate = Generate()
    verify: Verify = Verify()
    answer: Answer = Answer()
    voice: Voice = Voice()
    instructions: dict[str, Annotated[str, Field(max_length=2000)]] = Field(default={})
    profiles: dict[ProfileName, Profile] = Field(default={})
    history: History = History()
    app: App = App()
    watch: Watch = Watch()

    @property
    def library(self) -> Path:
        return self.home / "library"

    @property
    def index(self) -> Path:
        return self.home / "index"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def prompts(self) -> Path:
        """The user's own families of templates (prompts/README.md)."""
        return self.home / "prompts"

    @property
    def file(self) -> Path:
        return self.home / "cita.toml"

    def with_profile(self, name: str) -> Self:
        """What is in force where the profile `name` answers; '' changes nothing. Raises UsageError if there is none of
        that name."""
        if not name:
            return self
        if name not in self.profiles:
            raise UsageError(f"There is no profile {name!r}.", hint=_profiles_hint(self.profiles))
        chosen = self.profiles[name].chosen
        groups = {group: getattr(self, group) for group in ("generate", "voice", "retrieve", "answer")}
        changed = {
            group: held.model_copy(update={key: chosen[key] for key in type(held).model_fields if key in chosen})
            for group, held in groups.items()
        }
        return self.model_copy(update=changed)

    def voice_of(
        self, tone: Tone | None = None, length: Length | None = None, language: AnswerLanguage | None = None
    ) -> rag.types.Voice:
        """The voice that is set, or for one question another."""
        held = self.voice
        return rag.types.Voice(
            held.persona.strip(),
            tone or held.tone,
            length or held.length,
            language or held.language,
            self.instructions,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = init_settings().get("home") or os.environ.get("CITA_HOME") or CODE / "data"
        file = TomlConfigSettingsSource(settings_cls, Path(home).expanduser() / "cita.toml")
        return init_settings, env_settings, file

    @classmethod
    def load(cls, home: Path | str | None = None, **flags: Any) -> Self:
        """Reads flags, environment and cita.toml once.

        Raises SettingsError naming the setting and its value.
        """
        chosen: dict[str, Any] = dict(flags)
        if home == "":  # an unset variable in somebody's script, not the current folder
            raise SettingsError("The home is empty.", hint="Name a folder, or leave --home out.")
        if home is not None:
            chosen["home"] = Path(home)
        try:
            settings = cls(**chosen)
            _check_profiles(settings)
            return settings.model_copy(update={"home": settings.home.expanduser().absolute()})
        except ValidationError as error:
            raise _explained(error) from error
        except UnreadableVariableError as error:
            raise SettingsError(f"A CITA_ variable cannot be read: {error}.", hint="Correct it or unset it.") from error
        except ValueError as error:  # cita.toml is not TOML
            raise SettingsError(f"cita.toml cannot be read: {error}.", hint="Correct it or move it away.") from error
        except RuntimeError as error:  # of expanduser
            raise SettingsError(
                f"Home {str(home or os.environ.get('CITA_HOME'))!r} cannot be found: {error}",
                hint="Write the folder's full path.",
            ) from error


def _check_profiles(settings: Settings) -> None:
    for use in ("profile", "deeper"):
        name: str = getattr(settings.answer, use)
        if name and name not in settings.profiles:
            raise SettingsError(
                f"Setting 'answer.{use}' names a profile that there is not: {name!r}.",
                hint=_profiles_hint(settings.profiles),
            )


def _profiles_hint(profiles: Mapping[str, Profile]) -> str:
    there = f"There are: {', '.join(profiles)}. " if profiles else ""
    return f"{there}A table [profiles.NAME] in cita.toml makes one, as the page Settings does."


def _explained(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if "[key]" in first["loc"]:
        return SettingsError(
            f"A profile cannot be called {first.get('input')!r}.",
            hint="Up to 40 letters, digits, spaces and . + - _, a letter or digit first and last.",
        )
    if first["type"] == "extra_forbidden":
        group = Settings.model_fields[str(first["loc"][0])].default if len(first["loc"]) > 1 else None
        known = type(group).model_fields if isinstance(group, Group) else Settings.model_fields
        known = Profile.model_fields if first["loc"][0] == "profiles" else known
        return SettingsError(f"There is no setting {name!r}.", hint=f"There are: {', '.join(known)}.")
    return SettingsError(
        f"Setting {name!r} cannot be {first.get('input')!r}: {first['msg']}.",
        hint="Correct it on the command line, in a CITA_ variable or in cita.toml.",
    )
