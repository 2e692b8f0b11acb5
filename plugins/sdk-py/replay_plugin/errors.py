"""What a plugin may fail with, and the check of its config that every plugin needs."""


class ConfigError(Exception):
    """A config that does not do. The message is shown to the operator."""


class PluginError(Exception):
    """A call of ``process`` that fails with one of the manifest's error codes."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


def options_of(config, defaults: dict) -> dict:
    """A plugin's config over its defaults.

    No config at all is ``{}``; a key that has no default, or a value of another type than the default's, is a
    mistake that the operator is told.
    """
    given = {} if config is None else config
    if not isinstance(given, dict):
        raise ConfigError("the config is not an object")
    for key, value in given.items():
        if key not in defaults:
            raise ConfigError(f"there is no setting `{key}`; there are {', '.join(defaults)}")
        if type(value) is not type(defaults[key]):
            raise ConfigError(f"`{key}` must be of type {_JSON_TYPES[type(defaults[key])]}")
    return {**defaults, **given}


_JSON_TYPES = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}
