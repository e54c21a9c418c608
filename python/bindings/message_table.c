/* SPDX-License-Identifier: MIT */
/* The table behind a message's root: classes of records, and EXTERNs; see shapes.h. */
#include "shapes.h"

#include "errors.h"
#include "state.h"

/* ---- in */

/* Whether the class is still found by its name, and nobody has told pickle how to write
 * its instances; -1 with an exception. */
static int is_usable(struct sobj_state *state, const struct sobj__shape_use *use)
{
    PyObject *const *texts = state->host.texts;
    const struct sobj__name *name = &use->shape->name;
    PyObject *module, *table = NULL, *found = NULL;
    int leads =
        sobj__name_leads_to(state, name->module, name->parts, (PyObject *)use->type);

    if (leads <= 0)
        return leads;
    module = sobj__imported(state, texts[SOBJ_TEXT_COPYREG]);
    if (module != NULL)
        table = sobj__attribute(module, texts[SOBJ_TEXT_DISPATCH_TABLE]);
    if (table != NULL && PyDict_CheckExact(table))
        found = sobj__dict_get(table, (PyObject *)use->type);
    Py_XDECREF(found);
    Py_XDECREF(table);
    Py_XDECREF(module);
    return PyErr_Occurred() ? -1 : found == NULL;
}

/* Writes the items of the table. Returns: as sobj__write_table. */
static enum sobj__step write_items(struct sobj_encoder *e, struct sobj_encoder *table,
                                   PyObject *externs)
{
    uint64_t count = 2 * e->use_count + (uint64_t)e->extern_count;
    enum sobj__step step =
        sobj__write_word(table, sobj_stream_header(SOBJ_ST_TUPLE, 0, count));

    for (size_t i = 0; i < e->use_count && step == SOBJ__DONE; i++) {
        const struct sobj__shape *shape = e->uses[i].shape;
        if (is_usable(e->state, &e->uses[i]) != 1)
            return SOBJ__PICKLE;
        step = sobj__write_group(table, SOBJ__CLASS, 1);
        if (step == SOBJ__DONE)
            step = sobj__write_text(table, shape->name.text);
        if (step == SOBJ__DONE)
            step = sobj__encoder_run(table, shape->names);
    }
    for (Py_ssize_t i = 0; i < e->extern_count && step == SOBJ__DONE; i++) {
        step = sobj__encoder_run(table, PyTuple_GET_ITEM(externs, i));
    }
    return step;
}

/* Appends the words of one stream to another, and the two that say where they are. */
static enum sobj__step append(struct sobj_encoder *e, const struct sobj_stream *table)
{
    size_t position = e->out->count;
    uint64_t *p = sobj__room_for(e->out, table->count + 2);

    if (p == NULL)
        return sobj__written(SOBJ_NO_MEMORY);
    memcpy(p, table->words, table->count * sizeof *p);
    p[table->count] = e->use_count;
    p[table->count + 1] = position;
    e->out->count += table->count + 2;
    return SOBJ__DONE;
}

enum sobj__step sobj__write_table(struct sobj_encoder *e)
{
    struct sobj_encoder table;
    struct sobj_stream s;
    enum sobj__step step;
    PyObject *externs = NULL;

    /* Whoever asks the collector finds the list, and could change it; a tuple stays. */
    if (e->externs != NULL && (externs = PyList_AsTuple(e->externs)) == NULL)
        return SOBJ__ERROR;
    if (externs != NULL && PyTuple_GET_SIZE(externs) != e->extern_count) {
        Py_DECREF(externs);
        return SOBJ__PICKLE;
    }
    sobj_stream_init(&s);
    sobj__encoder_init(&table, e->state, &s, SOBJ__MODE_VALUE, "message");
    step = write_items(e, &table, externs);
    if (step == SOBJ__DONE)
        step = append(e, &s);
    sobj__encoder_fini(&table);
    sobj_stream_fini(&s);
    Py_XDECREF(externs);
    /* What cannot be found by its name, say. Pickle may know what to do. */
    if (PyErr_Occurred())
        step = PyErr_ExceptionMatches(PyExc_Exception) &&
                       !PyErr_ExceptionMatches(PyExc_MemoryError)
                   ? SOBJ__PICKLE
                   : SOBJ__ERROR;
    if (step == SOBJ__PICKLE)
        PyErr_Clear();
    return step;
}

/* ---- out */

/* Returns: the "module:qualname" of the `index`th class in a table, a new reference. */
static PyObject *text_at(struct sobj_state *state, const uint64_t *table, size_t index)
{
    const uint64_t *p = table + 2; /* behind the TUPLE and the GROUP of the class */

    for (; index != 0; index--) {
        p += sobj__item_words(*p);
        size_t names = sobj_is_pointer(*p) ? (size_t)sobj_stream_count(*p) : 0;
        for (p++; names != 0; names--)
            p += sobj__item_words(*p);
        p++;
    }
    return sobj__decode_stream(state, p, NULL, false, NULL);
}

/* Raises UnresolvedError for a class: "<reason>". */
static void raise_for_class(struct sobj_state *state, const uint64_t *table,
                            size_t index, const char *reason, PyObject *names)
{
    PyObject *text = text_at(state, table, index);

    if (text != NULL)
        sobj__raise_unresolved_text(state, text, reason, names);
    Py_XDECREF(text);
}

/* Returns: what __new__ is called with; NULL with an exception. */
static PyObject *new_args(const struct sobj__shape *shape)
{
    Py_ssize_t n = PyTuple_GET_SIZE(shape->names);
    PyObject *nones, *args;

    if (shape->kind == SOBJ__DATACLASS)
        return PyTuple_New(0);
    nones = PyTuple_New(n);
    if (nones == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SET_ITEM(nones, i, Py_NewRef(Py_None));
    args = PyTuple_Pack(1, nones);
    Py_DECREF(nones);
    return args;
}

/* Looks up how the records of the `index`th class are made here. Returns: 0, -1. */
static int find(struct sobj__table *table, struct sobj_state *state,
                const uint64_t *words, size_t index)
{
    PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(table->items, 2 * index);
    PyObject *names = PyTuple_GET_ITEM(table->items, 2 * index + 1);
    struct sobj__made *made = &table->made[index];
    int same;

    made->shape = sobj__shape_known(state, type, &made->owner);
    if (made->shape == NULL && !PyErr_Occurred())
        made->shape = sobj__shape_look(state, type, false, &made->owner);
    if (PyErr_Occurred())
        return -1;
    if (made->shape == NULL || made->shape->names == NULL) {
        raise_for_class(state, words, index,
                        "it is no dataclass or named tuple here that goes by field",
                        NULL);
        return -1;
    }
    same = PyObject_RichCompareBool(made->shape->names, names, Py_EQ);
    if (same == 0)
        raise_for_class(state, words, index, "it has other fields here: %R",
                        made->shape->names);
    if (same <= 0)
        return -1;
    made->type = (PyTypeObject *)Py_NewRef((PyObject *)type);
    made->args = new_args(made->shape);
    return made->args != NULL ? 0 : -1;
}

int sobj__table_open(struct sobj__table *table, struct sobj_state *state,
                     const uint64_t *words, size_t count)
{
    const uint64_t *position = words + words[count - 1];

    table->classes = (size_t)words[count - 2];
    table->made = NULL;
    table->items = sobj__decode_stream(state, position, NULL, false, NULL);
    if (table->items == NULL)
        return -1;
    table->made = PyMem_Calloc(table->classes + 1, sizeof *table->made);
    if (table->made == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    for (size_t i = 0; i < table->classes; i++) {
        if (find(table, state, position, i) < 0)
            goto failed;
    }
    return 0;
failed:
    sobj__table_close(table);
    return -1;
}

void sobj__table_close(struct sobj__table *table)
{
    for (size_t i = 0; table->made != NULL && i < table->classes; i++) {
        Py_XDECREF(table->made[i].type);
        Py_XDECREF(table->made[i].owner);
        Py_XDECREF(table->made[i].args);
    }
    PyMem_Free(table->made);
    Py_DECREF(table->items);
}

PyObject *sobj__record_new(const struct sobj__made *made)
{
    PyTypeObject *base =
        made->shape->kind == SOBJ__NAMEDTUPLE ? &PyTuple_Type : &PyBaseObject_Type;

    return base->tp_new(made->type, made->args, NULL);
}
