"""One call of ``process``, whether the host is behind a component boundary or not."""

import json

from .batch import Batch
from .drafts import normalised
from .kinds import bits_of

# What an exception that the plugin did not mean is reported as.
EXCEPTION = "exception"


def run(plugin, sources, log) -> list:
    """The answer for each chunk of the batch, in order: drafts whose edits are as the host takes them."""
    batch = Batch(sources, plugin.manifest, log)
    plugin.process(batch)
    drafts = [chunk.drafts for chunk in batch.chunks]
    for draft in drafts:
        draft.edits = normalised(draft.edits)
    return drafts


def told(manifest) -> dict:
    """The manifest as the interface has it."""
    schema = manifest.config_schema
    return {
        "name": manifest.name,
        "version": manifest.version,
        "kinds": bits_of(manifest.kinds),
        "redacts": manifest.redacts,
        "needs_events": manifest.needs_events,
        "needs_elements": manifest.needs_elements,
        "drop_reasons": manifest.drop_reasons,
        "error_codes": [*dict.fromkeys([*manifest.error_codes, EXCEPTION])],
        "config_schema": schema if isinstance(schema, str) else json.dumps(schema),
    }
