/* The head of a plain request, taken apart in one call.
 *
 * What is not plainly one whole head, of a kind that clients of an account send every day, is left
 * to llhttp, which alone decides what is refused (reader.py). So nothing here judges a strange
 * request; it only must take none. Where no compiler takes this, llhttp reads all of them.
 *
 * HTTP/1.1: https://www.rfc-editor.org/rfc/rfc9112
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#define HEAD_LIMIT 65536
#define HEADERS_LIMIT 256
#define NAME_LIMIT 64
#define LENGTH_DIGITS 15 /* of a body's length: what 64 bits hold with room to spare */

#define METADATA "x-ms-meta-"
#define VERSION " HTTP/1.1\r\n"

typedef struct {
    const char *at;
    Py_ssize_t size;
} Text;

/* What a head says. The objects are owned. */
typedef struct {
    Text method, target;
    PyObject *headers;  /* values by lower-case name */
    PyObject *metadata; /* pairs of bytes as they were sent; NULL where there are none */
    long long body_size;
} Head;

enum { FAILED = -1, NOT_PLAIN, PLAIN }; /* FAILED: with an exception set */

/* The lower-case form of each character that a name may have, 0 for all others. */
static char name_characters[256];

static int is(Text text, const char *other)
{
    return (size_t)text.size == strlen(other) && memcmp(text.at, other, (size_t)text.size) == 0;
}

static int starts(Text text, const char *other)
{
    return (size_t)text.size >= strlen(other) && memcmp(text.at, other, strlen(other)) == 0;
}

/* --- Where things end: at a character that they cannot have. Python ends all bytes with a zero,
 * which nothing can have, so nobody has to ask for the end of what was received. */

static const char *behind_letters(const char *at)
{
    while (*at >= 'A' && *at <= 'Z')
        at++;
    return at;
}

static const char *behind_target(const char *at)
{
    while (*at > ' ' && *at <= '~' && *at != '#')
        at++;
    return at;
}

static const char *behind_spaces(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

static const char *behind_value(const char *at)
{
    while (*at >= ' ' && *at <= '~')
        at++;
    return at;
}

/* --- What is plain ------------------------------------------------------------------------- */

static int is_method(Text text)
{
    static const char *const known[] = {"GET",  "PUT",   "POST",  "DELETE",
                                        "HEAD", "MERGE", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is(text, known[i]))
            return 1;
    return 0;
}

static int is_number(Text text, long long *number)
{
    *number = 0;
    for (Py_ssize_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        *number = 10 * *number + (text.at[i] - '0');
    }
    return text.size > 0;
}

/* Whether a header leaves nothing open of how its request goes on. */
static int is_plain(Text name, Text value, long long *body_size)
{
    switch (name.at[0]) {
    case 'c':
        if (is(name, "content-length"))
            return value.size <= LENGTH_DIGITS && is_number(value, body_size);
        return !is(name, "connection") || is(value, "keep-alive") || is(value, "Keep-Alive");
    case 'e':
        return !is(name, "expect");
    case 'p':
        return !is(name, "proxy-connection");
    case 't':
        return !is(name, "transfer-encoding");
    case 'u':
        return !is(name, "upgrade");
    }
    return 1;
}

/* --- Headers ------------------------------------------------------------------------------- */

static int add_header(Head *head, Text name, Text value)
{
    PyObject *key = PyUnicode_FromStringAndSize(name.at, name.size);
    PyObject *text = PyUnicode_FromStringAndSize(value.at, value.size);
    int added = key == NULL || text == NULL ? -1 : PyDict_SetItem(head->headers, key, text);
    Py_XDECREF(key);
    Py_XDECREF(text);
    return added;
}

/* Keep metadata as it was sent: the case of their names counts. */
static int add_metadata(Head *head, Text name, Text value)
{
    if (head->metadata == NULL && (head->metadata = PyList_New(0)) == NULL)
        return -1;
    PyObject *pair = Py_BuildValue("(y#y#)", name.at, name.size, value.at, value.size);
    int added = pair == NULL ? -1 : PyList_Append(head->metadata, pair);
    Py_XDECREF(pair);
    return added;
}

/* Read the header that begins at `*cursor`, and move that behind it. */
static int read_header(const char **cursor, Head *head)
{
    const char *at = *cursor;
    char lower[NAME_LIMIT];
    Text sent = {at, 0}, name = {lower, 0};
    char character;
    while ((character = name_characters[(unsigned char)*at]) != 0 && name.size < NAME_LIMIT) {
        lower[name.size++] = character;
        at++;
    }
    if (name.size == 0 || *at != ':')
        return NOT_PLAIN;
    sent.size = name.size;

    Text value = {behind_spaces(at + 1), 0};
    at = behind_value(value.at);
    if (at[0] != '\r' || at[1] != '\n')
        return NOT_PLAIN;
    value.size = at - value.at;
    while (value.size > 0 && value.at[value.size - 1] == ' ')
        value.size--;

    if (!is_plain(name, value, &head->body_size))
        return NOT_PLAIN;
    if (add_header(head, name, value) < 0)
        return FAILED;
    if (starts(name, METADATA) && add_metadata(head, sent, value) < 0)
        return FAILED;
    *cursor = at + 2;
    return PLAIN;
}

/* Read all headers, and move the cursor behind the empty line. One that is repeated is not plain. */
static int read_headers(const char **cursor, Head *head)
{
    for (Py_ssize_t count = 0; **cursor != '\r'; count++) {
        int found = count == HEADERS_LIMIT ? NOT_PLAIN : read_header(cursor, head);
        if (found != PLAIN)
            return found;
        if (PyDict_Size(head->headers) != count + 1)
            return NOT_PLAIN;
    }
    if ((*cursor)[1] != '\n')
        return NOT_PLAIN;
    *cursor += 2;
    return PLAIN;
}

/* --- The module ---------------------------------------------------------------------------- */

/* Read the request line, and move the cursor behind it. */
static int read_line(const char **cursor, Head *head)
{
    const char *at = behind_letters(*cursor);
    head->method = (Text){*cursor, at - *cursor};
    if (!is_method(head->method) || at[0] != ' ' || at[1] != '/')
        return NOT_PLAIN;
    head->target.at = at + 1;
    at = behind_target(head->target.at);
    head->target.size = at - head->target.at;
    if (strncmp(at, VERSION, strlen(VERSION)) != 0)
        return NOT_PLAIN;
    *cursor = at + strlen(VERSION);
    return PLAIN;
}

static PyObject *told(const Head *head, Py_ssize_t size)
{
    PyObject *metadata = head->metadata;
    PyObject *none = metadata == NULL ? PyTuple_New(0) : NULL; /* always the same one */
    if (metadata == NULL && none == NULL)
        return NULL;
    PyObject *found = Py_BuildValue(
        "(s#s#OOnL)", head->method.at, head->method.size, head->target.at, head->target.size,
        head->headers, metadata == NULL ? none : metadata, size, head->body_size);
    Py_XDECREF(none);
    return found;
}

static PyObject *read_head(PyObject *module, PyObject *given)
{
    (void)module;
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(given, &data, &size) < 0)
        return NULL;
    const char *cursor = data;
    Head head = {.headers = NULL};
    if (read_line(&cursor, &head) != PLAIN)
        Py_RETURN_NONE;
    if ((head.headers = PyDict_New()) == NULL)
        return NULL;
    int found = read_headers(&cursor, &head);
    if (found == PLAIN && cursor - data > HEAD_LIMIT)
        found = NOT_PLAIN;
    PyObject *answer = found == PLAIN ? told(&head, cursor - data) : NULL;
    Py_DECREF(head.headers);
    Py_XDECREF(head.metadata);
    if (found != NOT_PLAIN)
        return answer;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"read_head", read_head, METH_O,
     "Return what the head says that some bytes begin with, or None where it is not plain."},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    (void)module;
    for (const char *at = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"; *at != 0; at++)
        name_characters[(unsigned char)*at] = *at;
    for (char upper = 'A'; upper <= 'Z'; upper++)
        name_characters[(unsigned char)upper] = (char)(upper - 'A' + 'a');
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_heads",
    .m_doc = "The heads of plain requests.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__heads(void)
{
    return PyModuleDef_Init(&module_def);
}
