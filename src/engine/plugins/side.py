# The side process that runs filters, tests and lookups written in Python.
#
# It speaks JSON, one object a line. In: {"load": [[kind, file, prefix], ...]},
# {"call": [kind, name, args, named]}. Out: {"names": [...], "problems": [...]},
# {"result": ...}, {"error": text}, or {"need": name}, to which {"value": ...}
# or {"missing": true} is the answer.

import importlib.util
import json
import os
import sys
import types

wire_in = sys.stdin
wire_out = sys.stdout
# What plug-ins print must not get between the messages.
sys.stdout = sys.stderr


def send(message):
    wire_out.write(json.dumps(message, default=plain) + "\n")
    wire_out.flush()


def receive():
    line = wire_in.readline()
    if not line:
        raise SystemExit(0)
    return json.loads(line)


def plain(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if hasattr(value, "items"):
        return dict(value.items())
    if hasattr(value, "__iter__"):
        return list(value)
    return str(value)


class Variables(dict):
    """The variables of the task, each asked for when it is looked at."""

    def __missing__(self, name):
        send({"need": name})
        answer = receive()
        if answer.get("missing"):
            raise KeyError(name)
        self[name] = answer["value"]
        return self[name]

    def __contains__(self, name):
        try:
            self[name]
        except KeyError:
            return False
        return True

    def get(self, name, default=None):
        try:
            return self[name]
        except KeyError:
            return default


def truth(value):
    if isinstance(value, bool) or value is None:
        return bool(value)
    return str(value).strip().lower() in ("y", "yes", "on", "1", "true", "t", "1.0")


class Environment:
    """As much of a template environment as filters ask for."""

    def __init__(self):
        self.filters = {"bool": truth}
        self.tests = {}

    def call_filter(self, name, value, args=None, kwargs=None, context=None, **_):
        if name in self.filters:
            found = self.filters[name]
        elif ("filter", name) in plugins:
            found = plugins[("filter", name)]
        else:
            raise KeyError("no filter named %r" % name)
        return found(value, *(args or ()), **(kwargs or {}))


class Context:
    def __init__(self, variables):
        self.vars = variables
        self.environment = Environment()

    def get(self, name, default=None):
        return self.vars.get(name, default)

    def resolve(self, name):
        return self.vars[name]

    resolve_or_missing = resolve

    def __getitem__(self, name):
        return self.vars[name]

    def __contains__(self, name):
        return name in self.vars

    def get_all(self):
        return self.vars

    parent = property(get_all)


# -- stand-ins for the few modules of ansible that such files import ----------

class AnsibleError(Exception):
    def __init__(self, message="", obj=None, show_content=True, suppress_extended_error=False, orig_exc=None):
        super().__init__(message)
        self.message = str(message)


def subclass(name, base=AnsibleError):
    return type(name, (base,), {})


def to_text(value, encoding="utf-8", errors="surrogate_or_strict", nonstring="simplerepr"):
    if isinstance(value, bytes):
        return value.decode(encoding, "replace")
    return str(value)


def to_bytes(value, encoding="utf-8", errors="surrogate_or_strict", nonstring="simplerepr"):
    return value if isinstance(value, bytes) else str(value).encode(encoding)


def boolean(value, strict=True):
    word = value.lower().strip() if isinstance(value, str) else value
    if word in ("y", "yes", "on", "1", "true", "t", 1, 1.0, True):
        return True
    if word in ("n", "no", "off", "0", "false", "f", 0, 0.0, False) or not strict:
        return False
    raise TypeError("The value %r is not a valid boolean." % (value,))


class Display:
    verbosity = 0

    def _say(self, message, *args, **kwargs):
        sys.stderr.write("%s\n" % (message,))

    warning = deprecated = error = display = _say

    def v(self, *args, **kwargs):
        pass

    vv = vvv = vvvv = vvvvv = vvvvvv = debug = verbose = v


class LookupBase:
    def __init__(self, loader=None, templar=None, **kwargs):
        self._loader = loader
        self._templar = templar
        self._options = {}
        self._display = Display()

    def set_options(self, task_keys=None, var_options=None, direct=None):
        self._options.update(direct or {})

    def get_option(self, option, hostvars=None):
        return self._options.get(option)

    def get_options(self):
        return dict(self._options)

    def has_option(self, option):
        return option in self._options

    def get_basedir(self, variables):
        return (variables or {}).get("role_path") or (variables or {}).get("playbook_dir") or os.getcwd()

    def find_file_in_search_path(self, variables, subdir, needle, ignore_missing=False):
        folders = (variables or {}).get("ansible_search_path") or [self.get_basedir(variables)]
        for folder in folders:
            for path in (os.path.join(folder, subdir, needle), os.path.join(folder, needle)):
                if os.path.exists(path):
                    return path
        if ignore_missing:
            return None
        raise AnsibleError("Unable to find %r in expected paths" % needle)

    @staticmethod
    def _flatten(terms):
        out = []
        for term in terms:
            if isinstance(term, (list, tuple)):
                out.extend(term)
            else:
                out.append(term)
        return out

    @staticmethod
    def _combine(a, b):
        return [LookupBase._flatten([x, y]) for x in a for y in b]


def is_sequence(value, include_strings=False):
    return isinstance(value, (list, tuple)) or (include_strings and isinstance(value, (str, bytes)))


def pass_argument(function):
    function.jinja_pass_arg = "context"
    return function


class Undefined:
    pass


def iteritems(value):
    return iter(value.items())


STAND_INS = {
    "ansible": {"__version__": "2.19.14"},
    "ansible.release": {"__version__": "2.19.14"},
    "ansible.errors": {
        "AnsibleError": AnsibleError,
        "AnsibleFilterError": subclass("AnsibleFilterError"),
        "AnsibleFilterTypeError": subclass("AnsibleFilterTypeError"),
        "AnsibleTemplatePluginError": subclass("AnsibleTemplatePluginError"),
        "AnsibleLookupError": subclass("AnsibleLookupError"),
        "AnsibleOptionsError": subclass("AnsibleOptionsError"),
        "AnsibleParserError": subclass("AnsibleParserError"),
        "AnsibleRuntimeError": subclass("AnsibleRuntimeError"),
        "AnsibleTemplateError": subclass("AnsibleTemplateError"),
        "AnsibleTypeError": subclass("AnsibleTypeError"),
        "AnsibleUndefinedVariable": subclass("AnsibleUndefinedVariable"),
        "AnsibleAssertionError": subclass("AnsibleAssertionError"),
        "AnsibleFileNotFound": subclass("AnsibleFileNotFound"),
    },
    "ansible.module_utils": {},
    "ansible.module_utils._text": {"to_text": to_text, "to_native": to_text, "to_bytes": to_bytes},
    "ansible.module_utils.common": {},
    "ansible.module_utils.common.text": {},
    "ansible.module_utils.common.text.converters": {
        "to_text": to_text, "to_native": to_text, "to_bytes": to_bytes,
        "jsonify": lambda value, **kwargs: json.dumps(value, default=plain),
    },
    "ansible.module_utils.common.collections": {
        "is_sequence": is_sequence,
        "is_iterable": lambda value, include_strings=False: hasattr(value, "__iter__") and (include_strings or not isinstance(value, (str, bytes))),
        "is_string": lambda value: isinstance(value, (str, bytes)),
    },
    "ansible.module_utils.common._collections_compat": {
        name: getattr(__import__("collections.abc", fromlist=[name]), name)
        for name in ("Mapping", "MutableMapping", "Sequence", "MutableSequence", "Set", "Iterable", "Hashable", "KeysView")
    },
    "ansible.module_utils.parsing": {},
    "ansible.module_utils.parsing.convert_bool": {"boolean": boolean},
    "ansible.module_utils.six": {
        "string_types": (str,), "text_type": str, "binary_type": bytes, "integer_types": (int,), "class_types": (type,),
        "PY2": False, "PY3": True, "iteritems": iteritems, "itervalues": lambda d: iter(d.values()),
        "iterkeys": lambda d: iter(d.keys()), "raise_from": None, "with_metaclass": lambda meta, *bases: meta("Base", bases, {}),
        "add_metaclass": lambda meta: (lambda cls: meta(cls.__name__, cls.__bases__, dict(cls.__dict__))),
    },
    "ansible.module_utils.six.moves": {"zip": zip, "map": map, "range": range, "filter": filter},
    "ansible.module_utils.six.moves.urllib": {},
    "ansible.module_utils.six.moves.urllib.parse": {
        name: getattr(__import__("urllib.parse", fromlist=[name]), name)
        for name in ("urlparse", "urlsplit", "quote", "unquote", "urlencode", "urljoin")
    },
    "ansible.plugins": {},
    "ansible.plugins.lookup": {"LookupBase": LookupBase},
    "ansible.plugins.filter": {},
    "ansible.plugins.filter.core": {"to_bool": truth},
    "ansible.parsing": {},
    "ansible.parsing.yaml": {},
    "ansible.parsing.yaml.objects": {"AnsibleUnicode": str, "AnsibleSequence": list, "AnsibleMapping": dict},
    "ansible.utils": {},
    "ansible.utils.display": {"Display": Display},
    "ansible.utils.unsafe_proxy": {"AnsibleUnsafeText": str, "AnsibleUnsafe": str, "wrap_var": lambda value: value},
    "ansible.utils.vars": {"merge_hash": lambda a, b, recursive=True, list_merge="replace": {**a, **b}},
    # Only where the real one is not installed.
    "jinja2": {"pass_context": pass_argument, "contextfilter": pass_argument, "Undefined": Undefined, "StrictUndefined": Undefined},
    "jinja2.filters": {"pass_context": pass_argument, "contextfilter": pass_argument, "pass_environment": pass_argument, "environmentfilter": pass_argument},
    "jinja2.runtime": {"Undefined": Undefined, "StrictUndefined": Undefined, "Context": Context},
    "jinja2.exceptions": {"UndefinedError": subclass("UndefinedError"), "TemplateError": subclass("TemplateError")},
}


class StandIns:
    def find_spec(self, name, path=None, target=None):
        if name in STAND_INS and not (name.startswith("jinja2") and self.real()):
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def real(self):
        for folder in sys.path:
            if os.path.isdir(os.path.join(folder, "jinja2")):
                return True
        return False

    def create_module(self, spec):
        return types.ModuleType(spec.name)

    def exec_module(self, module):
        module.__dict__.update(STAND_INS[module.__name__])


sys.meta_path.insert(0, StandIns())

plugins = {}


def load(kind, path, prefix):
    base = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location("ocplay_%s_%d_%s" % (kind, len(plugins), base), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if kind == "lookup":
        found = {base: module.LookupModule}
    elif kind == "test":
        found = module.TestModule().tests()
    else:
        found = module.FilterModule().filters()
    for name, work in found.items():
        plugins[(kind, prefix + name)] = work


def wanted_argument(work):
    """Whether a function wants the context or the environment first."""
    word = getattr(work, "jinja_pass_arg", None)
    return str(getattr(word, "name", word)) if word is not None else None


def call(kind, name, args, named):
    work = plugins[(kind, name)]
    variables = Variables()
    if kind == "lookup":
        instance = work(loader=None, templar=None)
        instance.set_options(var_options=variables, direct=named)
        return list(instance.run(args[0], variables=variables, **named))
    passed = wanted_argument(work)
    if passed == "context":
        args = [Context(variables)] + args
    elif passed == "environment":
        args = [Environment()] + args
    result = work(*args, **named)
    return bool(result) if kind == "test" else result


def serve():
    while True:
        message = receive()
        if "load" in message:
            problems = []
            for kind, path, prefix in message["load"]:
                try:
                    load(kind, path, prefix)
                except Exception as error:
                    problems.append([path, "%s: %s" % (type(error).__name__, error)])
            send({"names": [list(key) for key in plugins], "problems": problems})
            continue
        try:
            send({"result": call(*message["call"])})
        except SystemExit:
            raise
        except Exception as error:
            send({"error": "%s" % error or type(error).__name__})


try:
    serve()
except KeyboardInterrupt:
    pass
