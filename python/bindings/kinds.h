/* SPDX-License-Identifier: MIT */
/* Values whose classes are not built in: of the standard library, and by name.
 *
 * In a stream they are ATOMs and GROUPs (include/sharedobj/value.h), whose aux is one of
 * the kinds below. This is the one table of what they hold:
 *
 *     ATOM    DATE         4 bytes  \  what pickle keeps of them: big-endian fields, the
 *             TIME         6 bytes   > fold in the top bit of the hour, or month; one
 *             DATETIME    10 bytes  /  byte more for a tzinfo that is timezone.utc
 *             TIMEDELTA   days, seconds, microseconds: int32_t each
 *             TIMEZONE    nothing: timezone.utc
 *             UUID        16 bytes, little-endian; one more for an is_safe that is known
 *     GROUP   TIME, DATETIME     bytes as above, tzinfo
 *             TIMEZONE           timedelta, name if it has one
 *             FRACTION           numerator, denominator
 *             ZONEINFO           key
 *             DECIMAL, paths, IP addresses and networks: the text that makes it
 *             FUNCTION, CLASS    "module:qualname"
 *             ENUM               "module:qualname", name of the member
 *             FLAG               "module:qualname", value: members of a Flag that are
 *                                combined and have no name
 *             NAMEDTUPLE         "module:qualname(fields)", the items
 *             DATACLASS          the same
 *     only in canonical keys, which are never decoded:
 *     ATOM    INSTANT            microseconds in UTC from the year 1: int64_t
 *             INSTANT_TIME       the same of a time of day
 *     GROUP   WALL_TIME          bytes of a DATETIME, key of the ZoneInfo: a time that
 *                                the zone has twice or not at all equals no other zone's
 *
 *   K1  A class is recognised by what it is: the very object that the module of that
 *       name holds. Nothing is imported to recognise it: it has instances, so it exists.
 *   K2  Of objects of classes written in Python nothing is read by their layout. Of
 *       datetime's classes written in C (found in its capsule, which cannot be forged)
 *       and of named tuples it is.
 *   K3  By-name values are stored only if the name leads back to the same object. They
 *       are looked up again at each reading: nothing remembers what a name led to, so
 *       a module that is reloaded or replaced is seen at once. What is remembered is
 *       how to look.
 *   K4  Python code may run while these values are written and made. In values and
 *       keys every container above them is immutable; messages take only what needs no
 *       Python code (E1 in encoder.h). While they are made no container with empty
 *       places can be found by anybody (D1 in decode.c).
 */
#ifndef SOBJ_KINDS_H
#define SOBJ_KINDS_H

#include "encoder.h"
#include "host.h"

enum sobj__class {
    SOBJ__OF_NO_CLASS = 0,
    SOBJ__DATE,
    SOBJ__TIME,
    SOBJ__DATETIME,
    SOBJ__TIMEDELTA,
    SOBJ__TIMEZONE,
    SOBJ__ZONEINFO,
    SOBJ__DECIMAL,
    SOBJ__FRACTION,
    SOBJ__UUID,
    SOBJ__PURE_POSIX_PATH,
    SOBJ__PURE_WINDOWS_PATH,
    SOBJ__POSIX_PATH,
    SOBJ__WINDOWS_PATH,
    SOBJ__IPV4_ADDRESS,
    SOBJ__IPV6_ADDRESS,
    SOBJ__IPV4_NETWORK,
    SOBJ__IPV6_NETWORK,
    SOBJ__IPV4_INTERFACE,
    SOBJ__IPV6_INTERFACE,
    SOBJ__STANDARD, /* one more than the last of the standard library */
    SOBJ__FUNCTION = SOBJ__STANDARD,
    SOBJ__CLASS,
    SOBJ__ENUM,
    SOBJ__FLAG,
    SOBJ__NAMEDTUPLE,
    SOBJ__DATACLASS,
    SOBJ__INSTANT,
    SOBJ__INSTANT_TIME,
    SOBJ__WALL_TIME,
};

/* Why a by-name value, or one whose class is, cannot be stored; texts in explain.c. */
enum sobj__fault {
    SOBJ__NO_FAULT = 0,
    SOBJ__FAULT_LOCAL,
    SOBJ__FAULT_LAMBDA,
    SOBJ__FAULT_MAIN,
    SOBJ__FAULT_MAIN_COPY,
    SOBJ__FAULT_LOST,
    SOBJ__FAULT_UNNAMED,
    SOBJ__FAULT_MUTABLE,
    SOBJ__FAULT_INHERITED,
    SOBJ__FAULT_LAYOUT,
    SOBJ__FAULT_DESCRIPTOR,
    SOBJ__FAULT_FIELDS,
};

/* ---- kinds.c: which class */

/* A class that we know how to write and make. A tuple; the items from PLAN_TEXT on only
 * of classes by name. */
enum {
    SOBJ__PLAN_TYPE,   /* a weak reference */
    SOBJ__PLAN_CLASS,  /* enum sobj__class, an int */
    SOBJ__PLAN_TEXT,   /* what the stream has of it */
    SOBJ__PLAN_MODULE, /* see names.c */
    SOBJ__PLAN_PARTS,
    SOBJ__PLAN_FIELDS, /* names of the fields, a tuple of str; enums: empty */
    SOBJ__PLAN_ITEMS,
};

/* What instances of exactly `type` are. `*plan`: a new reference, or NULL where there is
 * nothing more to know. `*fault` says why not, where there is something to say.
 * Returns: the class, OF_NO_CLASS without an exception; -1 with one. */
int sobj__class_of(struct sobj_state *state, PyTypeObject *type, PyObject **plan,
                   enum sobj__fault *fault);
/* Of which class of the standard library `type` is a subclass.
 * Returns: a new reference; NULL with or without an exception. */
PyTypeObject *sobj__standard_base(struct sobj_state *state, PyTypeObject *type);
/* The class and its bases in the order in which attributes are looked up, a tuple. It
 * stays whole when another thread gives the class other bases at this moment, which
 * tp_mro does not. Returns: NULL with or without an exception. */
PyObject *sobj__mro(struct sobj_state *state, PyTypeObject *type);
/* What instances are, without running any Python code: for what has been learnt before. */
enum sobj__class sobj__class_known(struct sobj_state *state, PyTypeObject *type);
/* Learns a class for sobj__class_known. Returns: whether it now knows more. */
bool sobj__class_learn(struct sobj_state *state, PyTypeObject *type);

/* Returns: the present class, a new reference; imports its module if need be. NULL with
 * UnresolvedError, MemoryError or what an audit hook has raised. */
PyObject *sobj__standard_class(struct sobj_state *state, enum sobj__class class);
/* Where a class of the standard library is; borrowed, NULL when cleared. */
void sobj__standard_place(struct sobj_state *state, enum sobj__class class,
                          PyObject **module, PyObject **name);

/* dict[key] of a dict with str keys: a new reference; NULL with or without exception. */
PyObject *sobj__dict_get(PyObject *dict, PyObject *key);
/* The module if it is in sys.modules, likewise. */
PyObject *sobj__imported(struct sobj_state *state, PyObject *name);
/* Module attribute or class attribute `name`, likewise; no AttributeError. */
PyObject *sobj__attribute(PyObject *of, PyObject *name);
/* A text of host.h, borrowed; NULL with an exception if the module has been cleared. */
PyObject *sobj__text(struct sobj_state *state, enum sobj_text which);

/* Whether base.__new__(type), which runs neither __init__ nor a __new__ of the class, is
 * what CPython calls safe. May leave an exception set where it is not. */
bool sobj__bare_instance_is_safe(struct sobj_state *state, PyTypeObject *type,
                                 PyTypeObject *base);

/* ---- names.c: by name */

struct sobj__name {
    PyObject *text;   /* "module:qualname" */
    PyObject *module; /* str: the one to import */
    PyObject *parts;  /* of the qualname, a tuple */
};
/* By which name `object`, a function or class, is found. Returns: 0 and new references;
 * or 1 and why there is none; -1 with an exception. */
int sobj__name_of(struct sobj_state *state, PyObject *object, struct sobj__name *name,
                  enum sobj__fault *fault);
void sobj__name_fini(struct sobj__name *name);
/* Whether what is imported now leads from the name to `object`; -1 with an exception. */
int sobj__name_leads_to(struct sobj_state *state, PyObject *module, PyObject *parts,
                        PyObject *object);
/* What the name leads to here; imports. `text`: "module:qualname", perhaps followed by
 * "(...)". Returns: a new reference; NULL with UnresolvedError, MemoryError, or what an
 * audit hook has raised. */
PyObject *sobj__resolve(struct sobj_state *state, PyObject *text);

/* Raises UnresolvedError for a name: "<reason>". An exception that is set becomes its
 * cause, unless it is none of Exception or about memory: then it stays. */
void sobj__raise_unresolved(struct sobj_state *state, PyObject *module,
                            PyObject *qualname, const char *reason, ...);
/* The same by "module:qualname...". */
void sobj__raise_unresolved_text(struct sobj_state *state, PyObject *text,
                                 const char *reason, ...);

/* Audits and imports `module`, of which `name` is wanted.
 * Returns: a new reference, NULL with UnresolvedError or as above. */
PyObject *sobj__import(struct sobj_state *state, PyObject *module, PyObject *name);

/* Whether set_importable() allows to resolve names in `module`. */
bool sobj__importable(struct sobj_state *state, PyObject *module);
/* Whether set_importable() has been called with anything but None. */
bool sobj__imports_restricted(struct sobj_state *state);
extern const char sobj__set_importable_doc[];
PyObject *sobj__set_importable(PyObject *module, PyObject *prefixes);

/* ---- writing: each writes one value of its class, or refuses */

enum sobj__step sobj__write_moment(struct sobj_encoder *e, enum sobj__class class,
                                   PyObject *v);
enum sobj__step sobj__write_standard(struct sobj_encoder *e, enum sobj__class class,
                                     PyObject *v);
enum sobj__step sobj__write_record(struct sobj_encoder *e, enum sobj__class class,
                                   PyObject *plan, PyObject *v, uint32_t depth);
enum sobj__step sobj__write_atom(struct sobj_encoder *e, enum sobj__class class,
                                 const void *data, size_t size);
enum sobj__step sobj__write_group(struct sobj_encoder *e, enum sobj__class class,
                                  size_t count);
/* A str that is no value of its own: never numbered. */
enum sobj__step sobj__write_text(struct sobj_encoder *e, PyObject *text);
/* "is a <type>, whose <fault>", or for what is itself by name "is the function ...". */
enum sobj__step sobj__refuse_fault(struct sobj_encoder *e, PyObject *v,
                                   enum sobj__fault fault);

/* Whether `type` is the class of the members of an enum; -1 with an exception. */
int sobj__is_enum(struct sobj_state *state, PyTypeObject *type);

/* The plan of a class by name, for sobj__class_of. Return: as that. */
int sobj__plan_record(struct sobj_state *state, PyTypeObject *type, PyObject **plan,
                      enum sobj__fault *fault);

/* Which kind of record `type` is, and the names of its fields, a tuple of str.
 * `may_change`: a dataclass need not be frozen. Returns: NAMEDTUPLE, DATACLASS, or ENUM
 * without fields; 0 for none; -1 with an exception. */
int sobj__record_class(struct sobj_state *state, PyTypeObject *type, bool may_change,
                       PyObject **fields, enum sobj__fault *fault);

/* Whether `type` is a frozen dataclass. With or without an exception. */
bool sobj__is_frozen(struct sobj_state *state, PyTypeObject *type);

/* datetime's classes written in C. Return: the class of `type`, if it is one. */
enum sobj__class sobj__moment_class(struct sobj_state *state, PyTypeObject *type);
/* Finds the C interface of datetime if that is imported. Returns: whether it is known. */
bool sobj__moment_learn(struct sobj_state *state);

/* ---- making; NULL with an exception. `parts`: the children, a tuple. */

PyObject *sobj__make_moment(struct sobj_state *state, enum sobj__class class,
                            const void *data, size_t size);
PyObject *sobj__make_zoned(struct sobj_state *state, enum sobj__class class,
                           PyObject *parts);
PyObject *sobj__make_uuid(struct sobj_state *state, const void *data, size_t size);
PyObject *sobj__make_standard(struct sobj_state *state, enum sobj__class class,
                              PyObject *parts);
PyObject *sobj__make_record(struct sobj_state *state, enum sobj__class class,
                            PyObject *parts);

#endif
