/* SPDX-License-Identifier: MIT */
/* What the bindings keep of Python's own classes, one for each module; see kinds.h. */
#ifndef SOBJ_PY_HOST_H
#define SOBJ_PY_HOST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Names that are looked up, as interned strings: X(name in C, text). */
#define SOBJ_TEXTS(X)                                                                  \
    X(DATETIME, "datetime")                                                            \
    X(C_DATETIME, "_datetime")                                                         \
    X(DATETIME_CAPI, "datetime_CAPI")                                                  \
    X(DATE, "date")                                                                    \
    X(TIME, "time")                                                                    \
    X(TIMEDELTA, "timedelta")                                                          \
    X(TIMEZONE, "timezone")                                                            \
    X(UTC, "utc")                                                                      \
    X(UTCOFFSET, "utcoffset")                                                          \
    X(GETINITARGS, "__getinitargs__")                                                  \
    X(ZONEINFO_MODULE, "zoneinfo")                                                     \
    X(ZONEINFO, "ZoneInfo")                                                            \
    X(KEY, "key")                                                                      \
    X(DECIMAL_MODULE, "decimal")                                                       \
    X(DECIMAL, "Decimal")                                                              \
    X(FRACTIONS, "fractions")                                                          \
    X(FRACTION, "Fraction")                                                            \
    X(NUMERATOR, "numerator")                                                          \
    X(DENOMINATOR, "denominator")                                                      \
    X(UUID_MODULE, "uuid")                                                             \
    X(UUID, "UUID")                                                                    \
    X(SAFE_UUID, "SafeUUID")                                                           \
    X(INT, "int")                                                                      \
    X(IS_SAFE, "is_safe")                                                              \
    X(PATHLIB, "pathlib")                                                              \
    X(PURE_POSIX_PATH, "PurePosixPath")                                                \
    X(PURE_WINDOWS_PATH, "PureWindowsPath")                                            \
    X(POSIX_PATH, "PosixPath")                                                         \
    X(WINDOWS_PATH, "WindowsPath")                                                     \
    X(IPADDRESS, "ipaddress")                                                          \
    X(IPV4_ADDRESS, "IPv4Address")                                                     \
    X(IPV6_ADDRESS, "IPv6Address")                                                     \
    X(IPV4_NETWORK, "IPv4Network")                                                     \
    X(IPV6_NETWORK, "IPv6Network")                                                     \
    X(IPV4_INTERFACE, "IPv4Interface")                                                 \
    X(IPV6_INTERFACE, "IPv6Interface")                                                 \
    X(ENUM_MODULE, "enum")                                                             \
    X(ENUM_TYPE, "EnumType")                                                           \
    X(FLAG, "Flag")                                                                    \
    X(MEMBER_NAME, "_name_")                                                           \
    X(MEMBER_VALUE, "_value_")                                                         \
    X(MEMBER_MAP, "_member_map_")                                                      \
    X(VALUE_MAP, "_value2member_map_")                                                 \
    X(DATACLASSES, "dataclasses")                                                      \
    X(FIELDS_FUNCTION, "fields")                                                       \
    X(NAME, "name")                                                                    \
    X(FROZEN, "frozen")                                                                \
    X(DATACLASS_FIELDS, "__dataclass_fields__")                                        \
    X(DATACLASS_PARAMS, "__dataclass_params__")                                        \
    X(TUPLE_FIELDS, "_fields")                                                         \
    X(DUNDER_NEW, "__new__")                                                           \
    X(DUNDER_MRO, "__mro__")                                                           \
    X(DUNDER_BASE, "__base__")                                                         \
    X(DUNDER_REDUCE, "__reduce__")                                                     \
    X(DUNDER_MODULE, "__module__")                                                     \
    X(DUNDER_QUALNAME, "__qualname__")                                                 \
    X(DUNDER_MAIN, "__main__")                                                         \
    X(DUNDER_SPEC, "__spec__")                                                         \
    X(COPYREG, "copyreg")                                                              \
    X(DISPATCH_TABLE, "dispatch_table")                                                \
    X(BUILTINS, "builtins")                                                            \
    X(DOT, ".")

enum sobj_text {
#define SOBJ_TEXT_NAME(name, text) SOBJ_TEXT_##name,
    SOBJ_TEXTS(SOBJ_TEXT_NAME)
#undef SOBJ_TEXT_NAME
        SOBJ_TEXT_COUNT
};

/* All references are NULL when the module has been cleared. `texts` and the dicts
 * are const until then; the others are set once, when first found. */
struct sobj_host {
    PyObject *texts[SOBJ_TEXT_COUNT];
    PyObject *modules;  /* sys.modules, as the import system knows it */
    PyObject *plans;    /* address of a class -> how its instances travel; kinds.c */
    PyObject *names;    /* "module:qualname" -> its parts; names.c */
    PyObject *shapes;   /* address of a class -> how it is in messages; shapes.c */
    PyObject *datetime; /* the capsule with the C interface of datetime */
    PyObject *decimal;  /* Decimal, if that is the class written in C */
};

int sobj_host_init(struct sobj_host *host);
int sobj_host_traverse(struct sobj_host *host, visitproc visit, void *arg);
void sobj_host_clear(struct sobj_host *host);

#endif
