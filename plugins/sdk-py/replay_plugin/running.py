"""One call of ``process``, whether the host is behind a component boundary or not."""

import json

from .batch import Batch
from .drafts import normalised
from .kinds import bits_of
from .manifest import Manifest

# What an exception that the plugin did not mean is reported as.
EXCEPTION = "exception"

# Bytes that are logged of an exception, and of what it says; and the innermost calls that are named.
_DESCRIBED_BYTES = 2048
_SAID_BYTES = 1024
_FRAMES = 20


def run(plugin, sources, log) -> list:
    """The answer for each chunk of the batch, in order: drafts whose edits are as the host takes them."""
    batch = Batch(sources, plugin.manifest, log)
    answer = plugin.process(batch)
    # What it would do later, nobody waits for: the chunks would be kept as they are.
    if any(hasattr(answer, later) for later in ("__await__", "__next__", "__anext__")):
        raise TypeError("`process` is an async function or a generator: it must be done when it returns")
    drafts = [chunk.drafts for chunk in batch.chunks]
    for draft in drafts:
        draft.edits = normalised(draft.edits)
    return drafts


def described(error: BaseException) -> str:
    """What an exception says and where it comes from, bounded. For the plugin's author: it may quote payload.

    By hand, without ``traceback``: that looks for sources, and in a component there are no files.
    """
    try:
        said = _bounded(f"{type(error).__name__}: {error}", _SAID_BYTES)
        lines, trace = [], error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            lines.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next
        # Where it was raised comes first.
        return _bounded("\n".join([said, *reversed(lines[-_FRAMES:])]), _DESCRIBED_BYTES)
    except Exception:
        return "an exception that cannot be read"


def _bounded(text: str, size: int) -> str:
    return text[:size].encode(errors="replace")[:size].decode(errors="ignore")


def told(manifest) -> dict:
    """The manifest as the interface has it."""
    if not isinstance(manifest, Manifest):
        raise TypeError("a plugin's `manifest` must be a `Manifest`")
    manifest.check()
    schema = manifest.config_schema
    return {
        "name": manifest.name,
        "version": manifest.version,
        "kinds": bits_of(manifest.kinds),
        "redacts": manifest.redacts,
        "needs_events": manifest.needs_events,
        "needs_elements": manifest.needs_elements,
        "drop_reasons": list(manifest.drop_reasons),
        "error_codes": [*dict.fromkeys([*manifest.error_codes, EXCEPTION])],
        "config_schema": schema if isinstance(schema, str) else json.dumps(schema),
    }
