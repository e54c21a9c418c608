/* SPDX-License-Identifier: MIT */
/* Which class a value is of; see kinds.h.
 *
 * What has been found out about a class is kept in the dict `plans`, under its address
 * as an int: a class as a key would be compared by code of its metaclass, and kept alive
 * with its whole module. The plan has a weak reference to the class, which tells whether
 * the address has been used again. The dict is emptied when it has become large; a plan
 * that is needed is made again. */
#include "kinds.h"

#include "errors.h"
#include "state.h"

#define PLANS_MAX 1024

/* ---- what the module keeps */

int sobj_host_init(struct sobj_host *host)
{
    static const char *const texts[] = {
#define TEXT(name, text) text,
        SOBJ_TEXTS(TEXT)
#undef TEXT
    };

    for (int i = 0; i < SOBJ_TEXT_COUNT; i++) {
        host->texts[i] = PyUnicode_InternFromString(texts[i]);
        if (host->texts[i] == NULL)
            return -1;
    }
    host->modules = Py_NewRef(PyImport_GetModuleDict());
    host->plans = PyDict_New();
    host->names = PyDict_New();
    host->shapes = PyDict_New();
    return host->plans != NULL && host->names != NULL && host->shapes != NULL ? 0 : -1;
}

int sobj_host_traverse(struct sobj_host *host, visitproc visit, void *arg)
{
    for (int i = 0; i < SOBJ_TEXT_COUNT; i++)
        Py_VISIT(host->texts[i]);
    Py_VISIT(host->modules);
    Py_VISIT(host->plans);
    Py_VISIT(host->names);
    Py_VISIT(host->shapes);
    Py_VISIT(host->datetime);
    Py_VISIT(host->decimal);
    return 0;
}

void sobj_host_clear(struct sobj_host *host)
{
    for (int i = 0; i < SOBJ_TEXT_COUNT; i++)
        Py_CLEAR(host->texts[i]);
    Py_CLEAR(host->modules);
    Py_CLEAR(host->plans);
    Py_CLEAR(host->names);
    Py_CLEAR(host->shapes);
    Py_CLEAR(host->datetime);
    Py_CLEAR(host->decimal);
}

/* ---- looking things up */

PyObject *sobj__text(struct sobj_state *state, enum sobj_text which)
{
    PyObject *text = state->host.texts[which];

    return text != NULL ? text : sobj_raise_unloaded();
}

PyObject *sobj__dict_get(PyObject *dict, PyObject *key)
{
    PyObject *found = NULL;

    if (dict == NULL || key == NULL)
        return NULL; /* cleared: nothing is there any more */
#if PY_VERSION_HEX >= 0x030D0000
    if (PyDict_GetItemRef(dict, key, &found) < 0)
        return NULL;
#else
    found = Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
    return found;
}

PyObject *sobj__imported(struct sobj_state *state, PyObject *name)
{
    PyObject *module = sobj__dict_get(state->host.modules, name);

    if (module == Py_None) /* says that it must not be imported */
        Py_CLEAR(module);
    return module;
}

PyObject *sobj__attribute(PyObject *of, PyObject *name)
{
    PyObject *found = NULL;

    if (name == NULL)
        return NULL;
    if (PyModule_CheckExact(of)) {
        found = sobj__dict_get(PyModule_GetDict(of), name);
        if (found != NULL || PyErr_Occurred())
            return found;
    }
    found = PyObject_GetAttr(of, name);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    return found;
}

/* Returns: what the descriptor `name` of `type` itself says about a class: past the
 * metaclass, and a reference of our own; NULL with or without an exception. */
static PyObject *type_says(PyTypeObject *type, PyObject *name)
{
    PyObject *dict = PyType_GetDict(&PyType_Type);
    PyObject *descriptor = sobj__dict_get(dict, name), *said = NULL;

    if (descriptor != NULL && Py_TYPE(descriptor)->tp_descr_get != NULL)
        said =
            Py_TYPE(descriptor)
                ->tp_descr_get(descriptor, (PyObject *)type, (PyObject *)&PyType_Type);
    Py_XDECREF(descriptor);
    Py_XDECREF(dict);
    return said;
}

PyObject *sobj__mro(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *mro = type_says(type, state->host.texts[SOBJ_TEXT_DUNDER_MRO]);

    if (mro != NULL && !PyTuple_CheckExact(mro)) /* None: the class is not complete */
        Py_CLEAR(mro);
    return mro;
}

/* Returns: the class that instances have their layout from; NULL as above. */
static PyTypeObject *layout_base(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *base = type_says(type, state->host.texts[SOBJ_TEXT_DUNDER_BASE]);

    if (base != NULL && !PyType_Check(base)) /* None: of object */
        Py_CLEAR(base);
    return (PyTypeObject *)base;
}

/* ---- the standard library */

struct place {
    enum sobj_text module, name;
};

static const struct place places[SOBJ__STANDARD] = {
    [SOBJ__DATE] = {SOBJ_TEXT_DATETIME, SOBJ_TEXT_DATE},
    [SOBJ__TIME] = {SOBJ_TEXT_DATETIME, SOBJ_TEXT_TIME},
    [SOBJ__DATETIME] = {SOBJ_TEXT_DATETIME, SOBJ_TEXT_DATETIME},
    [SOBJ__TIMEDELTA] = {SOBJ_TEXT_DATETIME, SOBJ_TEXT_TIMEDELTA},
    [SOBJ__TIMEZONE] = {SOBJ_TEXT_DATETIME, SOBJ_TEXT_TIMEZONE},
    [SOBJ__ZONEINFO] = {SOBJ_TEXT_ZONEINFO_MODULE, SOBJ_TEXT_ZONEINFO},
    [SOBJ__DECIMAL] = {SOBJ_TEXT_DECIMAL_MODULE, SOBJ_TEXT_DECIMAL},
    [SOBJ__FRACTION] = {SOBJ_TEXT_FRACTIONS, SOBJ_TEXT_FRACTION},
    [SOBJ__UUID] = {SOBJ_TEXT_UUID_MODULE, SOBJ_TEXT_UUID},
    [SOBJ__PURE_POSIX_PATH] = {SOBJ_TEXT_PATHLIB, SOBJ_TEXT_PURE_POSIX_PATH},
    [SOBJ__PURE_WINDOWS_PATH] = {SOBJ_TEXT_PATHLIB, SOBJ_TEXT_PURE_WINDOWS_PATH},
    [SOBJ__POSIX_PATH] = {SOBJ_TEXT_PATHLIB, SOBJ_TEXT_POSIX_PATH},
    [SOBJ__WINDOWS_PATH] = {SOBJ_TEXT_PATHLIB, SOBJ_TEXT_WINDOWS_PATH},
    [SOBJ__IPV4_ADDRESS] = {SOBJ_TEXT_IPADDRESS, SOBJ_TEXT_IPV4_ADDRESS},
    [SOBJ__IPV6_ADDRESS] = {SOBJ_TEXT_IPADDRESS, SOBJ_TEXT_IPV6_ADDRESS},
    [SOBJ__IPV4_NETWORK] = {SOBJ_TEXT_IPADDRESS, SOBJ_TEXT_IPV4_NETWORK},
    [SOBJ__IPV6_NETWORK] = {SOBJ_TEXT_IPADDRESS, SOBJ_TEXT_IPV6_NETWORK},
    [SOBJ__IPV4_INTERFACE] = {SOBJ_TEXT_IPADDRESS, SOBJ_TEXT_IPV4_INTERFACE},
    [SOBJ__IPV6_INTERFACE] = {SOBJ_TEXT_IPADDRESS, SOBJ_TEXT_IPV6_INTERFACE},
};

void sobj__standard_place(struct sobj_state *state, enum sobj__class class,
                          PyObject **module, PyObject **name)
{
    *module = state->host.texts[places[class].module];
    *name = state->host.texts[places[class].name];
}

/* Returns: the class if it is imported; NULL with or without an exception. */
static PyObject *find_class(struct sobj_state *state, const struct place *place)
{
    PyObject *module = sobj__imported(state, state->host.texts[place->module]), *found;

    if (module == NULL)
        return NULL;
    found = sobj__attribute(module, state->host.texts[place->name]);
    Py_DECREF(module);
    return found;
}

PyObject *sobj__standard_class(struct sobj_state *state, enum sobj__class class)
{
    const struct place *place = &places[class];
    PyObject *found = find_class(state, place), *module, *name;

    if (found != NULL || PyErr_Occurred())
        return found;
    module = sobj__text(state, place->module);
    name = module != NULL ? sobj__text(state, place->name) : NULL;
    if (name == NULL)
        return NULL;
    Py_XDECREF(sobj__import(state, module, name));
    if (PyErr_Occurred())
        return NULL;
    found = find_class(state, place);
    if (found == NULL && !PyErr_Occurred())
        sobj__raise_unresolved(state, module, name, "the module has no such class");
    return found;
}

/* Which class of the standard library `type` is. Returns: -1 with an exception. */
static int standard_class_of(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *name = PyType_GetName(type);
    int result = SOBJ__OF_NO_CLASS;

    if (name == NULL)
        return -1;
    for (int i = SOBJ__OF_NO_CLASS + 1; i < SOBJ__STANDARD && result == 0; i++) {
        PyObject *wanted = state->host.texts[places[i].name], *found;
        if (wanted == NULL || PyUnicode_Compare(name, wanted) != 0)
            continue;
        found = find_class(state, &places[i]); /* K1 */
        if (found == (PyObject *)type)
            result = i;
        else if (found == NULL && PyErr_Occurred())
            result = -1;
        Py_XDECREF(found);
    }
    Py_DECREF(name);
    return result;
}

PyTypeObject *sobj__standard_base(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *mro = sobj__mro(state, type), *found = NULL;

    for (Py_ssize_t i = 1;
         mro != NULL && found == NULL && !PyErr_Occurred() && i < PyTuple_GET_SIZE(mro);
         i++) {
        PyObject *base = PyTuple_GET_ITEM(mro, i);
        if (PyType_Check(base) &&
            (sobj__moment_class(state, (PyTypeObject *)base) != SOBJ__OF_NO_CLASS ||
             standard_class_of(state, (PyTypeObject *)base) > 0))
            found = Py_NewRef(base);
    }
    Py_XDECREF(mro);
    return (PyTypeObject *)found;
}

/* ---- instances without a constructor */

static bool has_new_in_c(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *dict = PyType_GetDict(type);
    PyObject *own = sobj__dict_get(dict, state->host.texts[SOBJ_TEXT_DUNDER_NEW]);
    bool result = own != NULL && PyCFunction_Check(own);

    Py_XDECREF(own);
    Py_XDECREF(dict);
    return result;
}

/* The rule of CPython's own base.__new__(type): the nearest base whose __new__ is not
 * written in Python must have that of `base`. It is about the layout of instances, which
 * no class can change later. A class whose own __new__ is one written in C, or that has
 * none to inherit, is such a base. */
bool sobj__bare_instance_is_safe(struct sobj_state *state, PyTypeObject *type,
                                 PyTypeObject *base)
{
    PyTypeObject *at = (PyTypeObject *)Py_NewRef((PyObject *)type);
    bool safe = false, known = !PyType_IsSubtype(type, base);

    while (at != NULL && !known) {
        safe = at->tp_new == base->tp_new;
        known = safe || !PyType_HasFeature(at, Py_TPFLAGS_HEAPTYPE) ||
                at->tp_new == NULL || has_new_in_c(state, at);
        Py_SETREF(at, layout_base(state, at));
    }
    Py_XDECREF(at);
    return safe;
}

/* ---- plans */

static PyObject *address_of(PyTypeObject *type) { return PyLong_FromVoidPtr(type); }

/* Whether the plan is that of `type`, not of one that lay there before. */
static bool is_of(PyObject *plan, PyTypeObject *type)
{
    PyObject *reference = PyTuple_GET_ITEM(plan, SOBJ__PLAN_TYPE);
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *of = NULL;
    bool same = PyWeakref_GetRef(reference, &of) > 0 && of == (PyObject *)type;
    Py_XDECREF(of);
    return same;
#else
    return PyWeakref_GET_OBJECT(reference) == (PyObject *)type;
#endif
}

/* Enters a plan. Returns: 0; -1 with an exception. */
static int remember(struct sobj_state *state, PyObject *address, PyObject *plan)
{
    PyObject *plans = state->host.plans;

    if (plans == NULL)
        return 0;
    if (PyDict_GET_SIZE(plans) >= PLANS_MAX)
        PyDict_Clear(plans);
    return PyDict_SetItem(plans, address, plan);
}

/* Finds out about a class that has no plan yet. Returns: as sobj__class_of. */
static int find_out(struct sobj_state *state, PyTypeObject *type, PyObject *address,
                    PyObject **plan, enum sobj__fault *fault)
{
    int class = standard_class_of(state, type);

    if (class > 0)
        *plan = Py_BuildValue("(Ni)", PyWeakref_NewRef((PyObject *)type, NULL), class);
    else if (class == 0)
        class = sobj__plan_record(state, type, plan, fault);
    if (class <= 0)
        return class;
    if (*plan == NULL || remember(state, address, *plan) < 0) {
        Py_CLEAR(*plan);
        return -1;
    }
    return class;
}

int sobj__class_of(struct sobj_state *state, PyTypeObject *type, PyObject **plan,
                   enum sobj__fault *fault)
{
    PyObject *address;
    int class = (int)sobj__moment_class(state, type);

    *plan = NULL;
    *fault = SOBJ__NO_FAULT;
    if (class != 0)
        return class;
    address = address_of(type);
    if (address == NULL)
        return -1;
    /* Code that runs from here on may give the only instance another class. */
    Py_INCREF(type);
    *plan = sobj__dict_get(state->host.plans, address);
    if (*plan != NULL && !is_of(*plan, type))
        Py_CLEAR(*plan);
    if (*plan != NULL)
        class = (int)PyLong_AsLong(PyTuple_GET_ITEM(*plan, SOBJ__PLAN_CLASS));
    else
        class = PyErr_Occurred() ? -1 : find_out(state, type, address, plan, fault);
    Py_DECREF(type);
    Py_DECREF(address);
    return class;
}

/* ---- for messages: what needs no Python code */

static PyObject *known_decimal(struct sobj_state *state)
{
    /* Acquire: pairs with the exchange in sobj__class_learn. */
    return __atomic_load_n(&state->host.decimal, __ATOMIC_ACQUIRE);
}

enum sobj__class sobj__class_known(struct sobj_state *state, PyTypeObject *type)
{
    if (known_decimal(state) == (PyObject *)type)
        return SOBJ__DECIMAL;
    return sobj__moment_class(state, type);
}

bool sobj__class_learn(struct sobj_state *state, PyTypeObject *type)
{
    PyObject *none = NULL;

    if (sobj__class_known(state, type) != SOBJ__OF_NO_CLASS)
        return false;
    if (sobj__moment_learn(state) && sobj__moment_class(state, type) != 0)
        return true;
    /* An immutable class is one that is written in C. */
    if (state->cleared || known_decimal(state) != NULL ||
        strstr(type->tp_name, "Decimal") == NULL ||
        (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) &&
         !PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE)))
        return false;
    if (standard_class_of(state, type) != SOBJ__DECIMAL) {
        PyErr_Clear();
        return false;
    }
    Py_INCREF(type);
    /* AcqRel: of two threads one enters it; the class has long been complete. */
    if (__atomic_compare_exchange_n(&state->host.decimal, &none, (PyObject *)type,
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return true;
    Py_DECREF(type);
    return none == (PyObject *)type;
}
