"""A plugin as the exports of a component. ``plugin build`` writes the module that calls this."""

import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import chunks as wit

from .drafts import BLANK, MASK
from .errors import ConfigError, PluginError
from .running import EXCEPTION, described, run, told

_ITEMS = {"position": wit.Item_Position, "request": wit.Item_Request, "header": wit.Item_Header}
_LEVELS = {level.name.lower(): level for level in wit.Level}


def world(plugin_class):
    """The component's world for a plugin's class.

    Only ``Err`` is an error of the interface's; anything else would be a trap, so everything is caught here. What an
    exception says may quote payload: it is no part of the error, and is logged, which only ``plugin test`` prints.
    """

    class WitWorld(wit_world.WitWorld):
        plugin = None

        def configure(self, config: str) -> wit.Manifest:
            try:
                plugin = plugin_class(json.loads(config))
                WitWorld.plugin = plugin
                return wit.Manifest(**told(plugin.manifest))
            except BaseException as error:
                if not isinstance(error, ConfigError):
                    _tell(error)
                raise Err(str(error)) from None

        def process(self, batch: list) -> list:
            try:
                return [_verdict(drafts) for drafts in run(WitWorld.plugin, batch, _log)]
            except PluginError as error:
                # The host reports any other as `unknown`.
                if error.code not in WitWorld.plugin.manifest.error_codes:
                    _tell(error)
                raise Err(error.code) from None
            except BaseException as error:
                _tell(error)
                raise Err(EXCEPTION) from None

    return WitWorld


def _log(level: str, message: str) -> None:
    wit_world.log(_LEVELS[level], message)


def _tell(error: BaseException) -> None:
    """Logs an exception; where that fails, too, its code must do."""
    try:
        _log("error", described(error))
    except BaseException:
        pass


def _verdict(drafts):
    if drafts.dropped is not None:
        return wit.Verdict_Drop(drafts.dropped)
    if drafts.replaced is not None:
        return wit.Verdict_Replace(drafts.replaced)
    if drafts.is_empty:
        return wit.Verdict_Keep()
    edits = [wit.Edit(edit.field, edit.start, edit.end, _replacement(edit)) for edit in drafts.edits]
    items = [_ITEMS[tag](value) for tag, value in drafts.items]
    return wit.Verdict_Change(wit.Changes(edits, sorted(drafts.removed), sorted(drafts.blocked), items))


def _replacement(edit):
    if edit.tag == BLANK:
        return wit.Replacement_Blank()
    return wit.Replacement_Mask(edit.value) if edit.tag == MASK else wit.Replacement_Text(edit.value)
