"""The process that holds a model of Hugging Face's Transformers: `python -m rag.transformers_worker`.

It speaks as rag/llama_worker.py does and is started as that is (rag/transformers_model.py). It is told first what to
load, {"path", "settings"}, and answers {"event": "loaded"} or {"event": "unloadable", "message"}. Only safetensors are
read and no code of a model is run. It opens no connection.

A cancelled answer ends at its next token; one whose prompt is still being read, once that is read.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from models.runtime import physical_cores
from rag.answering import piece, serve
from rag.llama_worker import AnswerText, Message, Request
from settings import Generate


def main() -> None:
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    serve(TransformersModel, "Its folder may be damaged, or of a kind that the installed Transformers does not know.")


class TransformersModel:
    """A model in memory, on the graphics card where there is one."""

    def __init__(self, path: str, settings: dict[str, Any], cancelled: Callable[[int], bool]) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        chosen = Generate(**settings)
        torch.set_num_threads(chosen.threads or physical_cores())
        self._torch, self._cancelled = torch, cancelled
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer: Any = AutoTokenizer.from_pretrained(path, **local)
        model: Any = AutoModelForCausalLM.from_pretrained(path, use_safetensors=True, dtype="auto", **local)
        if not torch.cuda.is_available() and model.dtype == torch.float16:
            model = model.to(torch.bfloat16)  # a processor has no halves of its own
        self._model: Any = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._context = chosen.context
        self._bos = self._tokenizer.bos_token or ""
        begun = self._tokenizer("x").input_ids[:1]
        self._adds_bos = bool(self._bos) and begun == [self._tokenizer.bos_token_id]

    def tokens(self, text: str) -> list[int]:
        """The tokens of a whole prompt, the begin-of-sequence token once where there is one."""
        bare = text.removeprefix(self._bos) if self._bos else text
        begins = [self._tokenizer.bos_token_id] if self._adds_bos or bare != text else []
        return begins + list(self._tokenizer(bare, add_special_tokens=False).input_ids)

    def generate(self, id: int, request: Request, tell: Callable[[Message], None]) -> Message:
        """Tells the pieces of an answer as they come; what it took is returned."""
        torch = self._torch
        tokens = self.tokens(request.text)
        room = self._context - len(tokens)
        if room < 1:
            raise ValueError(f"the prompt has {len(tokens)} tokens, the context {self._context}")
        text = _Streamed(self._tokenizer, AnswerText(request.stop), lambda new: tell(piece(id, new)), len(tokens))
        given = torch.tensor([tokens], device=self._model.device)
        torch.manual_seed(request.seed)
        drawing: dict[str, Any] = {"do_sample": False}
        if request.temperature > 0:
            drawing = {
                "do_sample": True, "temperature": request.temperature, "top_p": request.top_p, "min_p": request.min_p,
                "top_k": 0,
            }  # fmt: skip
        begun = time.monotonic()
        with torch.inference_mode():
            self._model.generate(
                given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=min(request.max_tokens, room),
                repetition_penalty=request.repeat_penalty,
                pad_token_id=self._tokenizer.eos_token_id,
                streamer=text,
                stopping_criteria=[lambda ids, _: torch.full((len(ids),), self._cancelled(id) or text.stopped)],
                **drawing,
            )
        now, first = time.monotonic(), text.first or time.monotonic()
        told = {"prompt": len(tokens), "reused": 0, "said": text.said}
        return {"id": id, "event": "end", **told, "reading": first - begun, "writing": now - first}


class _Streamed:
    """What Transformers hands its tokens to: first the prompt's, then one after the other, and at last the end."""

    def __init__(self, tokenizer: Any, answer: AnswerText, tell: Callable[[str], None], prompt: int) -> None:
        self._tokenizer, self._answer, self._tell, self._prompt = tokenizer, answer, tell, prompt
        self._tokens: list[int] = []
        self._shown = 0  # characters
        self.said = 0
        self.first: float | None = None

    @property
    def stopped(self) -> bool:
        return self._answer.stopped

    def put(self, tokens: Any) -> None:
        if self._prompt:
            self._prompt = 0
            return
        self.first = self.first or time.monotonic()
        self._tokens += tokens.tolist()
        self.said = len(self._tokens)
        self._show(final=False)

    def end(self) -> None:
        self._show(final=True)
        if rest := self._answer.end():
            self._tell(rest)

    def _show(self, *, final: bool) -> None:
        """Tells what is new; of a character whose last bytes are to come, nothing yet."""
        if self._answer.stopped:
            return
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        whole = text if final else text.rstrip("\ufffd")
        new, self._shown = whole[self._shown :], max(self._shown, len(whole))
        if new and (shown := self._answer.feed(new.encode("utf-8", "replace"))):
            self._tell(shown)


if __name__ == "__main__":
    main()
    os._exit(0)  # not through the interpreter's end: a thread still waits on standard input
