/* SPDX-License-Identifier: MIT */
/* Status codes: what every fallible function of the core returns.
 *
 * The core never prints, aborts on bad input or sets an exception; it returns one of
 * these, and nothing has changed unless the code is SOBJ_OK or the function's contract
 * says otherwise.
 *
 * Contract keys used in all public headers; a key that is absent is void:
 *   Returns   the codes that can occur and who owns what comes back
 *   Blocks    what the call may wait for (absent: never blocks)
 *   Needs     what the caller must hold or be
 *   Consumes  references taken over, on failure too unless said
 *   Progress  wait-free, lock-free, or the lock it takes
 */
#ifndef SHAREDOBJ_STATUS_H
#define SHAREDOBJ_STATUS_H

enum sobj_status {
    SOBJ_OK = 0,
    SOBJ_NO_MEMORY,   /* an allocation failed; nothing has changed */
    SOBJ_NOT_FOUND,   /* no such key */
    SOBJ_EXISTS,      /* the key is there already */
    SOBJ_MISMATCH,    /* compare-and-set: the stored value is another one */
    SOBJ_EMPTY,       /* nothing to take */
    SOBJ_FULL,        /* no room, or a fixed limit is reached */
    SOBJ_CLOSED,      /* the channel accepts and holds nothing more */
    SOBJ_TIMEOUT,     /* the deadline has passed */
    SOBJ_INTERRUPTED, /* a signal arrived: run its handlers, then call again */
    SOBJ_CLOSING,     /* the caller's domain (interpreter) is shutting down */
    SOBJ_OVERFLOW,    /* the result does not fit; the value is unchanged */
    SOBJ_BAD_OPERAND, /* the operation does not apply to what is stored */
    SOBJ_FROZEN,      /* the object is read-only */
    SOBJ_DEADLOCK,    /* waiting would never end: the wait is for the caller itself */
    SOBJ_STALE,       /* id or ticket of an object that is gone */
    SOBJ_FOREIGN,     /* token of another process */
    SOBJ_OS_ERROR,    /* a system call failed; errno says why */
};

/* Returns: a static, untranslated description; never NULL. */
const char *sobj_status_str(enum sobj_status status);

#endif
