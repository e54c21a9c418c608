/* SPDX-License-Identifier: MIT */
/* Values by name: which name an object has, and what a name leads to; see kinds.h.
 *
 * A name is "module:qualname", for records followed by "(fields)". What is remembered is
 * how it comes apart and that it may be imported, never what it led to (K3): looking
 * that up again takes two look-ups in dicts.
 *
 * A module that was started with `python -m` is called __main__ and by its real name.
 * Stored is the real one. Where it is read, the real name leads to a module of that name
 * if there is one, else to __main__ if that is the same module, else to an import.
 */
#include "kinds.h"

#include "errors.h"
#include "state.h"

#include <stdarg.h>
#include <string.h>

#define NAMES_MAX 4096

/* ---- UnresolvedError */

/* Returns: a new str that says what `error` is; NULL with an exception. */
static PyObject *reason_of(PyObject *error)
{
    PyObject *text = PyObject_Str(error), *reason;

    if (text == NULL) {
        PyErr_Clear();
        text = PyUnicode_FromString("(its str() failed)");
        if (text == NULL)
            return NULL;
    }
    reason = PyUnicode_FromFormat("%s: %U", Py_TYPE(error)->tp_name, text);
    Py_DECREF(text);
    return reason;
}

/* Takes the exception that is set, if any and if it is one to be explained.
 * Returns: whether to go on; `*cause` may be NULL. */
static bool take_cause(struct sobj_state *state, PyObject **cause)
{
    *cause = NULL;
    if (!PyErr_Occurred())
        return true;
    if (!PyErr_ExceptionMatches(PyExc_Exception) ||
        PyErr_ExceptionMatches(PyExc_MemoryError) ||
        PyErr_ExceptionMatches(PyExc_RecursionError))
        return false;
    PyObject *error = PyErr_GetRaisedException();
    PyObject *class = sobj_error_class(state, SOBJ_ERR_UNRESOLVED);
    if (class == NULL || PyErr_GivenExceptionMatches(error, class)) {
        PyErr_Clear();
        PyErr_SetRaisedException(error); /* says it already, or nothing can be said */
        return false;
    }
    *cause = error;
    return true;
}

static void raise_with(struct sobj_state *state, PyObject *module, PyObject *qualname,
                       const char *format, va_list args)
{
    PyObject *cause, *why = NULL, *reason;

    if (!take_cause(state, &cause))
        return;
    reason = PyUnicode_FromFormatV(format, args);
    if (cause != NULL && reason != NULL)
        why = reason_of(cause);
    if (reason != NULL && why != NULL)
        Py_SETREF(reason, PyUnicode_FromFormat("%U: %U", reason, why));
    if (reason != NULL && !PyErr_Occurred())
        sobj_raise_error(state, SOBJ_ERR_UNRESOLVED,
                         "%R of module %R cannot be read in this interpreter: %U",
                         qualname, module, reason);
    if (cause != NULL) {
        PyObject *raised = PyErr_GetRaisedException();
        PyException_SetContext(raised, Py_NewRef(cause));
        PyException_SetCause(raised, cause);
        PyErr_SetRaisedException(raised);
    }
    Py_XDECREF(why);
    Py_XDECREF(reason);
}

void sobj__raise_unresolved(struct sobj_state *state, PyObject *module,
                            PyObject *qualname, const char *reason, ...)
{
    va_list args;

    va_start(args, reason);
    raise_with(state, module, qualname, reason, args);
    va_end(args);
}

/* Where a name comes apart. Returns: false if it is none. */
static bool divide(PyObject *text, Py_ssize_t *colon, Py_ssize_t *end)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);

    *colon = PyUnicode_FindChar(text, ':', 0, length, 1);
    if (*colon < 0)
        return false;
    *end = PyUnicode_FindChar(text, '(', *colon, length, 1);
    if (*end == -1)
        *end = length;
    return *end >= 0;
}

void sobj__raise_unresolved_text(struct sobj_state *state, PyObject *text,
                                 const char *reason, ...)
{
    PyObject *error = PyErr_GetRaisedException(), *module = NULL, *qualname = NULL;
    Py_ssize_t colon, end;
    va_list args;

    if (divide(text, &colon, &end)) {
        module = PyUnicode_Substring(text, 0, colon);
        qualname = module != NULL ? PyUnicode_Substring(text, colon + 1, end) : NULL;
    }
    if (qualname != NULL) {
        PyErr_SetRaisedException(error); /* NULL: none */
        va_start(args, reason);
        raise_with(state, module, qualname, reason, args);
        va_end(args);
    } else {
        Py_XDECREF(error);
    }
    Py_XDECREF(module);
    Py_XDECREF(qualname);
}

/* ---- what may be imported
 * The prefixes lie in the raw memory that the interpreter has beside the module, one
 * after the other, each with its '\0', an empty one at the end. */

bool sobj__imports_restricted(struct sobj_state *state)
{
    sobj_mutex_lock(&state->local->mutex);
    bool restricted = state->local->importable != NULL;
    sobj_mutex_unlock(&state->local->mutex);
    return restricted;
}

bool sobj__importable(struct sobj_state *state, PyObject *module)
{
    struct sobj_local *local = state->local;
    const char *name = PyUnicode_AsUTF8(module);
    bool allowed = false;

    if (name == NULL)
        PyErr_Clear(); /* lone surrogates, or no memory: as nothing that is allowed */
    sobj_mutex_lock(&local->mutex);
    const char *prefix = local->importable;
    if (prefix == NULL)
        allowed = true;
    for (; !allowed && name != NULL && *prefix != '\0'; prefix += strlen(prefix) + 1) {
        size_t n = strlen(prefix);
        allowed = strncmp(name, prefix, n) == 0 && (name[n] == '\0' || name[n] == '.');
    }
    sobj_mutex_unlock(&local->mutex);
    return allowed;
}

/* Returns: how often set_importable() was called. */
static uint64_t present_epoch(struct sobj_state *state)
{
    /* Acquire: pairs with the release in install. */
    return __atomic_load_n(&state->local->importable_epoch, __ATOMIC_ACQUIRE);
}

static void install(struct sobj_local *local, char *prefixes)
{
    sobj_mutex_lock(&local->mutex);
    char *old = local->importable;
    local->importable = prefixes;
    /* Release: whoever sees the new epoch asks again, and finds the new prefixes. */
    __atomic_fetch_add(&local->importable_epoch, 1, __ATOMIC_RELEASE);
    sobj_mutex_unlock(&local->mutex);
    PyMem_RawFree(old);
}

static bool is_dotted_name(const char *name)
{
    char before = '.';

    for (; *name != '\0'; before = *name++) {
        if (*name == '.' && before == '.')
            return false;
    }
    return before != '.';
}

/* Returns: the text of a prefix and its size; NULL with an exception. */
static const char *prefix_text(PyObject *name, Py_ssize_t *size)
{
    const char *text;

    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "set_importable: a prefix is a str, not %.200s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    text = PyUnicode_AsUTF8AndSize(name, size);
    if (text == NULL && !PyErr_ExceptionMatches(PyExc_UnicodeError))
        return NULL;
    if (text != NULL && strlen(text) == (size_t)*size && is_dotted_name(text))
        return text;
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "set_importable: %R is no name of a module", name);
    return NULL;
}

/* Returns: the prefixes of a tuple in one block; NULL with an exception. */
static char *pack_prefixes(PyObject *names)
{
    Py_ssize_t count = PyTuple_GET_SIZE(names), size;
    size_t total = 1;
    char *block, *p;

    for (Py_ssize_t i = 0; i < count; i++) {
        if (prefix_text(PyTuple_GET_ITEM(names, i), &size) == NULL)
            return NULL;
        total += (size_t)size + 1;
    }
    block = p = PyMem_RawMalloc(total);
    if (block == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *text = prefix_text(PyTuple_GET_ITEM(names, i), &size);
        memcpy(p, text, (size_t)size + 1); /* kept by the str since the first time */
        p += size + 1;
    }
    *p = '\0';
    return block;
}

const char sobj__set_importable_doc[] = PyDoc_STR(
    "set_importable($module, prefixes, /)\n--\n\n"
    "Restrict what reading values may import in this interpreter.\n\n"
    "prefixes: names of modules and packages, matched on whole components ('app'\n"
    "allows app and app.models, not apple); None allows everything, as at first. It\n"
    "applies to every value that is found by name, whether its module is imported\n"
    "already or not, and to what pickled messages name; 'builtins' is no exception.\n"
    "The classes of the standard library that values are made of (Decimal, UUID...)\n"
    "are always allowed. What is not raises UnresolvedError and stays where it is.");

PyObject *sobj__set_importable(PyObject *module, PyObject *prefixes)
{
    struct sobj_state *state = sobj_state_of_module(module);
    PyObject *names;
    char *block = NULL;

    if (prefixes != Py_None) {
        if (PyUnicode_Check(prefixes)) {
            PyErr_SetString(
                PyExc_TypeError,
                "set_importable takes an iterable of prefixes, not one str");
            return NULL;
        }
        names = PySequence_Tuple(prefixes);
        block = names != NULL ? pack_prefixes(names) : NULL;
        Py_XDECREF(names);
        if (block == NULL)
            return NULL;
    }
    install(state->local, block);
    Py_RETURN_NONE;
}

/* ---- what a name leads to among what is imported */

/* Returns: the real name of the module that was started as __main__; NULL with or
 * without an exception. */
static PyObject *main_name(struct sobj_state *state)
{
    PyObject *const *texts = state->host.texts;
    PyObject *module = sobj__imported(state, texts[SOBJ_TEXT_DUNDER_MAIN]);
    PyObject *spec = NULL, *name = NULL;

    if (module != NULL)
        spec = sobj__attribute(module, texts[SOBJ_TEXT_DUNDER_SPEC]);
    if (spec != NULL && spec != Py_None)
        name = sobj__attribute(spec, texts[SOBJ_TEXT_NAME]);
    if (name != NULL && (!PyUnicode_CheckExact(name) ||
                         PyUnicode_CompareWithASCIIString(name, "__main__") == 0))
        Py_CLEAR(name);
    Py_XDECREF(spec);
    Py_XDECREF(module);
    return name;
}

/* Whether `module` is the real name of __main__; -1 with an exception. */
static int is_main(struct sobj_state *state, PyObject *module)
{
    PyObject *name = main_name(state);
    int same = name != NULL ? PyUnicode_Compare(name, module) == 0 : 0;

    Py_XDECREF(name);
    return PyErr_Occurred() ? -1 : same;
}

/* Returns: the module if it is there; NULL with or without an exception. */
static PyObject *module_here(struct sobj_state *state, PyObject *name)
{
    PyObject *module = sobj__imported(state, name);

    if (module != NULL || PyErr_Occurred() || is_main(state, name) != 1)
        return module;
    return sobj__imported(state, state->host.texts[SOBJ_TEXT_DUNDER_MAIN]);
}

/* Follows the parts of a qualname. Consumes: `object`. Returns: as above. */
static PyObject *follow(PyObject *object, PyObject *parts)
{
    for (Py_ssize_t i = 0; object != NULL && i < PyTuple_GET_SIZE(parts); i++)
        Py_SETREF(object, sobj__attribute(object, PyTuple_GET_ITEM(parts, i)));
    return object;
}

int sobj__name_leads_to(struct sobj_state *state, PyObject *module, PyObject *parts,
                        PyObject *object)
{
    PyObject *found = module_here(state, module);

    if (found != NULL)
        found = follow(found, parts);
    if (found == NULL && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception) ||
            PyErr_ExceptionMatches(PyExc_MemoryError))
            return -1;
        PyErr_Clear(); /* a module or class whose attributes cannot be had */
    }
    Py_XDECREF(found);
    return found == object;
}

/* ---- which name an object has */

/* Returns: a new reference to the `__module__` of a class, whatever its metaclass says;
 * NULL with or without an exception. */
static PyObject *module_of_type(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *dict, *name;
    const char *dot;

    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        dot = strrchr(type->tp_name, '.');
        return dot != NULL
                   ? PyUnicode_FromStringAndSize(type->tp_name, dot - type->tp_name)
                   : Py_XNewRef(state->host.texts[SOBJ_TEXT_BUILTINS]);
    }
    dict = PyType_GetDict(type);
    name = sobj__dict_get(dict, state->host.texts[SOBJ_TEXT_DUNDER_MODULE]);
    Py_XDECREF(dict);
    return name;
}

/* `__module__` and `__qualname__`; both new references, or NULL with or without an
 * exception. */
static void own_names(struct sobj_state *state, PyObject *object, PyObject **module,
                      PyObject **qualname)
{
    PyObject *const *texts = state->host.texts;

    *qualname = NULL;
    if (PyType_Check(object)) {
        *module = module_of_type(state, (PyTypeObject *)object);
        if (*module != NULL)
            *qualname = PyType_GetQualName((PyTypeObject *)object);
    } else {
        *module = PyObject_GenericGetAttr(object, texts[SOBJ_TEXT_DUNDER_MODULE]);
        if (*module != NULL)
            *qualname =
                PyObject_GenericGetAttr(object, texts[SOBJ_TEXT_DUNDER_QUALNAME]);
    }
}

static bool contains(PyObject *text, const char *part)
{
    const char *utf8 = PyUnicode_AsUTF8(text);

    if (utf8 == NULL)
        PyErr_Clear();
    return utf8 != NULL && strstr(utf8, part) != NULL;
}

static bool has_char(PyObject *text, Py_UCS4 c)
{
    return PyUnicode_FindChar(text, c, 0, PyUnicode_GET_LENGTH(text), 1) >= 0;
}

/* Returns: why the names are of no use. */
static enum sobj__fault fault_of(PyObject *module, PyObject *qualname)
{
    if (module == NULL || !PyUnicode_CheckExact(module) || has_char(module, ':') ||
        PyUnicode_GET_LENGTH(module) == 0 || qualname == NULL ||
        !PyUnicode_CheckExact(qualname) || has_char(qualname, '(') ||
        PyUnicode_GET_LENGTH(qualname) == 0)
        return SOBJ__FAULT_UNNAMED;
    if (contains(qualname, "<lambda>"))
        return SOBJ__FAULT_LAMBDA;
    if (contains(qualname, "<locals>"))
        return SOBJ__FAULT_LOCAL;
    /* So a program is called where a call has imported it; that is no module's name. */
    if (PyUnicode_CompareWithASCIIString(module, "<fake __main__>") == 0)
        return SOBJ__FAULT_MAIN_COPY;
    return SOBJ__NO_FAULT;
}

void sobj__name_fini(struct sobj__name *name)
{
    Py_CLEAR(name->text);
    Py_CLEAR(name->module);
    Py_CLEAR(name->parts);
}

/* Returns: what is between the dots, a tuple; NULL with an exception. (PyUnicode_Split
 * makes a list, and might meet the fault that sobj_plain_list avoids.) */
static PyObject *split(PyObject *qualname)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(qualname), n = 1, from = 0;
    PyObject *parts;

    for (Py_ssize_t i = 0; i < length; i++)
        n += PyUnicode_READ_CHAR(qualname, i) == '.';
    parts = PyTuple_New(n);
    for (Py_ssize_t i = 0; parts != NULL && i < n; i++) {
        Py_ssize_t dot = PyUnicode_FindChar(qualname, '.', from, length, 1);
        PyObject *part = PyUnicode_Substring(qualname, from, dot < 0 ? length : dot);
        if (part == NULL)
            Py_CLEAR(parts);
        else
            PyTuple_SET_ITEM(parts, i, part);
        from = dot + 1;
    }
    return parts;
}

int sobj__name_of(struct sobj_state *state, PyObject *object, struct sobj__name *name,
                  enum sobj__fault *fault)
{
    PyObject *module, *qualname;
    int leads = -1;

    memset(name, 0, sizeof *name);
    *fault = SOBJ__FAULT_UNNAMED;
    if (sobj__text(state, SOBJ_TEXT_DUNDER_MODULE) == NULL)
        return -1;
    own_names(state, object, &module, &qualname);
    if (PyErr_ExceptionMatches(PyExc_MemoryError))
        goto done;
    PyErr_Clear();
    leads = 0;
    *fault = fault_of(module, qualname);
    if (*fault != SOBJ__NO_FAULT)
        goto done;
    if (PyUnicode_CompareWithASCIIString(module, "__main__") == 0) {
        Py_SETREF(module, main_name(state));
        PyErr_Clear();
        if (module == NULL) {
            *fault = SOBJ__FAULT_MAIN;
            goto done;
        }
    }
    leads = -1;
    name->module = Py_NewRef(module);
    PyUnicode_InternInPlace(&name->module);
    name->parts = split(qualname);
    name->text = PyUnicode_FromFormat("%U:%U", module, qualname);
    if (name->parts == NULL || name->text == NULL)
        goto done;
    leads = sobj__name_leads_to(state, module, name->parts, object);
    if (leads == 0)
        *fault = SOBJ__FAULT_LOST;
done:
    Py_XDECREF(module);
    Py_XDECREF(qualname);
    if (leads <= 0)
        sobj__name_fini(name);
    return leads < 0 ? -1 : leads == 0;
}

/* ---- resolving */

/* What is remembered of a name. */
enum { ENTRY_EPOCH, ENTRY_MODULE, ENTRY_PARTS };

/* Returns: (epoch, module, parts); NULL with an exception. */
static PyObject *make_entry(struct sobj_state *state, PyObject *text, uint64_t epoch)
{
    PyObject *module = NULL, *qualname = NULL, *parts = NULL, *entry = NULL;
    Py_ssize_t colon, end;

    if (!PyUnicode_CheckExact(text) || !divide(text, &colon, &end)) {
        PyErr_SetString(PyExc_SystemError, "sharedobj: not the name of a value");
        return NULL;
    }
    module = PyUnicode_Substring(text, 0, colon);
    qualname = PyUnicode_Substring(text, colon + 1, end);
    if (module != NULL && qualname != NULL) {
        PyUnicode_InternInPlace(&module);
        parts = split(qualname);
    }
    if (parts != NULL)
        entry = Py_BuildValue("(KOO)", (unsigned long long)epoch, module, parts);
    Py_XDECREF(module);
    Py_XDECREF(qualname);
    Py_XDECREF(parts);
    return entry;
}

PyObject *sobj__import(struct sobj_state *state, PyObject *module, PyObject *name)
{
    PyObject *imported;

    if (PySys_Audit("sharedobj.import", "OO", module, name) < 0)
        return NULL;
    imported = PyImport_Import(module);
    if (imported == NULL)
        sobj__raise_unresolved(state, module, name, "the module cannot be imported");
    return imported;
}

/* The parts joined again, for messages and audit hooks. */
static PyObject *qualname_of(struct sobj_state *state, PyObject *entry)
{
    PyObject *dot = sobj__text(state, SOBJ_TEXT_DOT);

    return dot != NULL ? PyUnicode_Join(dot, PyTuple_GET_ITEM(entry, ENTRY_PARTS))
                       : NULL;
}

/* Looks up what is imported. Returns: NULL with or without an exception. */
static PyObject *look_up(struct sobj_state *state, PyObject *entry)
{
    PyObject *found = module_here(state, PyTuple_GET_ITEM(entry, ENTRY_MODULE));

    return found != NULL ? follow(found, PyTuple_GET_ITEM(entry, ENTRY_PARTS)) : NULL;
}

/* Returns: what the entry leads to after an import. */
static PyObject *import_and_look_up(struct sobj_state *state, PyObject *entry,
                                    PyObject *qualname)
{
    PyObject *module = PyTuple_GET_ITEM(entry, ENTRY_MODULE), *found = NULL;

    /* __main__ is not imported once more under its real name while it still runs. */
    if (is_main(state, module) == 0) {
        found = sobj__import(state, module, qualname);
        if (found == NULL)
            return NULL;
        found = follow(found, PyTuple_GET_ITEM(entry, ENTRY_PARTS));
    }
    if (found == NULL)
        sobj__raise_unresolved(state, module, qualname, "the module has no such name");
    return found;
}

static void remember(struct sobj_state *state, PyObject *text, PyObject *entry)
{
    PyObject *names = state->host.names;

    if (names == NULL)
        return;
    if (PyDict_GET_SIZE(names) >= NAMES_MAX)
        PyDict_Clear(names);
    if (PyDict_SetItem(names, text, entry) < 0)
        PyErr_Clear(); /* next time then */
}

/* Returns: as sobj__resolve, for a name that was not met before or leads nowhere. */
static PyObject *resolve_slowly(struct sobj_state *state, PyObject *text)
{
    /* First of all: if the rules change from here on, the entry is out of date. */
    uint64_t epoch = present_epoch(state);
    PyObject *entry = make_entry(state, text, epoch), *qualname = NULL, *found = NULL;

    if (entry == NULL)
        return NULL;
    qualname = qualname_of(state, entry);
    if (qualname == NULL)
        goto done;
    if (!sobj__importable(state, PyTuple_GET_ITEM(entry, ENTRY_MODULE))) {
        sobj__raise_unresolved(state, PyTuple_GET_ITEM(entry, ENTRY_MODULE), qualname,
                               "set_importable() does not allow this module");
        goto done;
    }
    found = look_up(state, entry);
    if (found == NULL && PyErr_Occurred())
        sobj__raise_unresolved(state, PyTuple_GET_ITEM(entry, ENTRY_MODULE), qualname,
                               "looking it up failed");
    else if (found == NULL)
        found = import_and_look_up(state, entry, qualname);
    if (found != NULL)
        remember(state, text, entry);
done:
    Py_XDECREF(qualname);
    Py_DECREF(entry);
    return found;
}

PyObject *sobj__resolve(struct sobj_state *state, PyObject *text)
{
    PyObject *entry = sobj__dict_get(state->host.names, text), *found = NULL;

    if (entry != NULL) {
        if (PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(entry, ENTRY_EPOCH)) ==
            present_epoch(state))
            found = look_up(state, entry);
        Py_DECREF(entry);
        if (found != NULL)
            return found;
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear(); /* comes again below, and is explained there */
    }
    return PyErr_Occurred() ? NULL : resolve_slowly(state, text);
}
