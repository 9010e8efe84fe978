/* MD5 of several messages at once, for many uploads at the same time.
 *
 * A step of MD5 needs the result of the one before, so one message leaves most of a processor
 * idle. Eight of them, a word of each in every vector, take little longer than two in turn.
 *
 * Written with the vectors of GCC and Clang, which become whatever the target has: nothing is
 * needed beyond the least that a platform promises. Where no such compiler is, the account does
 * without and hashes by `hashlib`; hashing.py chooses.
 *
 * Source of the algorithm and its constants: RFC 1321.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if !defined(__GNUC__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "needs the vectors of GCC or Clang, and words whose first byte counts least"
#endif

#define LANES 8
#define WORDS 16
#define BLOCK (4 * WORDS)
#define UNROLLED _Pragma("GCC unroll 4")

typedef uint32_t Vector __attribute__((vector_size(4 * LANES)));
typedef uint32_t Four __attribute__((vector_size(16)));

/* --- The algorithm ------------------------------------------------------------------------- */

static const uint32_t FIRST[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

static const uint32_t SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

#define CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define CHOOSE_LAST(x, y, z) CHOOSE(z, x, y)
#define PARITY(x, y, z) ((x) ^ (y) ^ (z))
#define EITHER(x, y, z) ((y) ^ ((x) | ~(z)))

#define STEP(mix, a, b, c, d, word, sine, left) \
    a += mix(b, c, d) + (word) + (sine);        \
    a = (a << (left) | a >> (32 - (left))) + b

/* Sixteen steps, of which step i takes the word `factor * i + first`. */
#define ROUND(round, mix, factor, first, left0, left1, left2, left3)                              \
    UNROLLED for (int i = 0; i < WORDS; i += 4)                                                   \
    {                                                                                             \
        const uint32_t *sine = SINES + WORDS * (round) + i;                                       \
        STEP(mix, a, b, c, d, words[(factor * i + first) % WORDS], sine[0], left0);               \
        STEP(mix, d, a, b, c, words[(factor * (i + 1) + first) % WORDS], sine[1], left1);         \
        STEP(mix, c, d, a, b, words[(factor * (i + 2) + first) % WORDS], sine[2], left2);         \
        STEP(mix, b, c, d, a, words[(factor * (i + 3) + first) % WORDS], sine[3], left3);         \
    }

/* A block: `words` into `a` to `d`, which are those of one message or vectors of many. */
#define ROUNDS                                \
    ROUND(0, CHOOSE, 1, 0, 7, 12, 17, 22)     \
    ROUND(1, CHOOSE_LAST, 5, 1, 5, 9, 14, 20) \
    ROUND(2, PARITY, 3, 5, 4, 11, 16, 23)     \
    ROUND(3, EITHER, 7, 0, 6, 10, 15, 21)

static void hash_one(uint32_t state[4], const uint8_t *data, size_t blocks)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (; blocks > 0; blocks--, data += BLOCK) {
        const uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
        uint32_t words[WORDS];
        memcpy(words, data, BLOCK);
        ROUNDS
        a += a0, b += b0, c += c0, d += d0;
    }
    state[0] = a, state[1] = b, state[2] = c, state[3] = d;
}

/* Four words of each of four messages: those that belong to one step come together. */
static inline void turn(const uint8_t *const *from, size_t offset, uint32_t (*to)[LANES])
{
    Four r[4];
    UNROLLED for (int i = 0; i < 4; i++) memcpy(&r[i], from[i] + offset, sizeof r[i]);
    const Four low01 = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    const Four low23 = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    const Four high01 = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    const Four high23 = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    const Four turned[4] = {
        __builtin_shufflevector(low01, low23, 0, 1, 4, 5),
        __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
        __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
        __builtin_shufflevector(high01, high23, 2, 3, 6, 7),
    };
    UNROLLED for (int i = 0; i < 4; i++) memcpy(to[i], &turned[i], sizeof turned[i]);
}

static void hash_lanes(uint32_t states[4][LANES], const uint8_t *const data[LANES], size_t blocks)
{
    Vector a, b, c, d;
    memcpy(&a, states[0], sizeof a);
    memcpy(&b, states[1], sizeof b);
    memcpy(&c, states[2], sizeof c);
    memcpy(&d, states[3], sizeof d);
    for (size_t offset = 0; offset < blocks * BLOCK; offset += BLOCK) {
        const Vector a0 = a, b0 = b, c0 = c, d0 = d;
        uint32_t turned[WORDS][LANES] __attribute__((aligned(4 * LANES)));
        UNROLLED for (int word = 0; word < WORDS; word += 4)
            UNROLLED for (int lane = 0; lane < LANES; lane += 4)
                turn(data + lane, offset + 4 * word, (uint32_t(*)[LANES])&turned[word][lane]);
        Vector words[WORDS];
        memcpy(words, turned, sizeof words);
        ROUNDS
        a += a0, b += b0, c += c0, d += d0;
    }
    memcpy(states[0], &a, sizeof a);
    memcpy(states[1], &b, sizeof b);
    memcpy(states[2], &c, sizeof c);
    memcpy(states[3], &d, sizeof d);
}

/* --- Messages in pieces -------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    uint32_t state[4];
    uint64_t size;        /* of the message so far, in bytes */
    uint8_t rest[BLOCK];  /* size % BLOCK bytes that do not fill a block yet */
} Md5;

/* A piece that is being hashed: what is left of it. */
typedef struct {
    Md5 *md5;
    const uint8_t *data;
    size_t size;
} Piece;

static void advance(Piece *piece, size_t size)
{
    piece->data += size;
    piece->size -= size;
    piece->md5->size += size;
}

/* Fill the block that was begun, and leave the piece at the begin of one, or empty. */
static void fill_rest(Piece *piece)
{
    Md5 *md5 = piece->md5;
    const size_t filled = md5->size % BLOCK;
    if (filled == 0)
        return;
    const size_t size = piece->size < BLOCK - filled ? piece->size : BLOCK - filled;
    memcpy(md5->rest + filled, piece->data, size);
    advance(piece, size);
    if (filled + size == BLOCK)
        hash_one(md5->state, md5->rest, 1);
}

static void keep_rest(Piece *piece)
{
    memcpy(piece->md5->rest, piece->data, piece->size);
    advance(piece, piece->size);
}

/* Hash of each piece as many blocks as the shortest has. */
static void hash_alike(Piece **pieces, int count)
{
    size_t blocks = pieces[0]->size / BLOCK;
    for (int i = 1; i < count; i++)
        if (pieces[i]->size / BLOCK < blocks)
            blocks = pieces[i]->size / BLOCK;
    if (count == 1) {
        hash_one(pieces[0]->md5->state, pieces[0]->data, blocks);
    } else {
        uint32_t states[4][LANES];
        const uint8_t *data[LANES];
        for (int lane = 0; lane < LANES; lane++) { /* those too many do what the first does */
            const Piece *piece = pieces[lane < count ? lane : 0];
            data[lane] = piece->data;
            for (int i = 0; i < 4; i++)
                states[i][lane] = piece->md5->state[i];
        }
        hash_lanes(states, data, blocks);
        for (int lane = 0; lane < count; lane++)
            for (int i = 0; i < 4; i++)
                pieces[lane]->md5->state[i] = states[i][lane];
    }
    for (int i = 0; i < count; i++)
        advance(pieces[i], blocks * BLOCK);
}

/* Hash up to LANES pieces, each to its end. */
static void hash_pieces(Piece *pieces, int count)
{
    Piece *busy[LANES];
    for (int i = 0; i < count; i++) {
        fill_rest(&pieces[i]);
        busy[i] = &pieces[i];
    }
    while (count > 0) {
        int longer = 0;
        for (int i = 0; i < count; i++) {
            if (busy[i]->size >= BLOCK)
                busy[longer++] = busy[i];
            else
                keep_rest(busy[i]);
        }
        count = longer;
        if (count > 0)
            hash_alike(busy, count);
    }
}

/* --- For Python ---------------------------------------------------------------------------- */

static PyObject *md5_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    static char *none[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, names, ":Md5", none))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Md5 *self = (Md5 *)allocate(type, 0);
    if (self != NULL)
        memcpy(self->state, FIRST, sizeof FIRST);
    return (PyObject *)self;
}

static void md5_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *md5_update(PyObject *self, PyObject *data)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    Piece piece = {(Md5 *)self, buffer.buf, (size_t)buffer.len};
    Py_BEGIN_ALLOW_THREADS
    hash_pieces(&piece, 1);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&buffer);
    Py_RETURN_NONE;
}

static PyObject *md5_digest(PyObject *self, PyObject *unused)
{
    (void)unused;
    Md5 end = *(Md5 *)self;
    const uint64_t bits = end.size * 8;
    uint8_t padding[2 * BLOCK] = {0x80};
    const size_t zeros = (2 * BLOCK - 9 - end.size % BLOCK) % BLOCK;
    memcpy(padding + 1 + zeros, &bits, sizeof bits);
    Piece piece = {&end, padding, 1 + zeros + sizeof bits};
    hash_pieces(&piece, 1);
    return PyBytes_FromStringAndSize((const char *)end.state, sizeof end.state);
}

static PyMethodDef md5_methods[] = {
    {"update", md5_update, METH_O, "Go on with more of the message."},
    {"digest", md5_digest, METH_NOARGS, "Return the 16 bytes of the hash of what came so far."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot md5_slots[] = {
    {Py_tp_doc, "The MD5 of one message, used as those of hashlib are; by one thread at a time."},
    {Py_tp_new, md5_new},
    {Py_tp_dealloc, md5_free},
    {Py_tp_methods, md5_methods},
    {0, NULL},
};

static PyType_Spec md5_spec = {
    .name = "triggerfish_storage._md5_lanes.Md5",
    .basicsize = sizeof(Md5),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = md5_slots,
};

/* The pieces of one call, and what has to be given back after it. */
typedef struct {
    Piece pieces[LANES];
    Py_buffer buffers[LANES];
    int count;
} Batch;

static int add_pair(Batch *batch, PyObject *pair, PyTypeObject *type)
{
    PyObject *md5, *data;
    if (!PyTuple_Check(pair)) {
        PyErr_SetString(PyExc_TypeError, "pairs of an Md5 and bytes are needed");
        return -1;
    }
    if (!PyArg_ParseTuple(pair, "O!O;pairs of an Md5 and bytes are needed", type, &md5, &data))
        return -1;
    for (int i = 0; i < batch->count; i++) {
        if (batch->pieces[i].md5 == (Md5 *)md5) {
            PyErr_SetString(PyExc_ValueError, "one Md5 cannot take two pieces at once");
            return -1;
        }
    }
    Py_buffer *buffer = &batch->buffers[batch->count];
    if (PyObject_GetBuffer(data, buffer, PyBUF_SIMPLE) < 0)
        return -1;
    batch->pieces[batch->count++] = (Piece){(Md5 *)md5, buffer->buf, (size_t)buffer->len};
    return 0;
}

static int add_pairs(Batch *batch, PyObject *pairs, PyTypeObject *type)
{
    const Py_ssize_t count = PyTuple_Size(pairs);
    if (count > LANES) {
        PyErr_Format(PyExc_ValueError, "more than %d pairs", LANES);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (add_pair(batch, PyTuple_GetItem(pairs, i), type) < 0)
            return -1;
    return 0;
}

static PyObject *update_together(PyObject *module, PyObject *given)
{
    PyObject *pairs = PySequence_Tuple(given);
    if (pairs == NULL)
        return NULL;
    PyTypeObject *type = *(PyTypeObject **)PyModule_GetState(module);
    Batch batch = {.count = 0};
    const int added = add_pairs(&batch, pairs, type);
    if (added == 0) {
        Py_BEGIN_ALLOW_THREADS
        hash_pieces(batch.pieces, batch.count);
        Py_END_ALLOW_THREADS
    }
    for (int i = 0; i < batch.count; i++)
        PyBuffer_Release(&batch.buffers[i]);
    Py_DECREF(pairs);
    if (added < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"update_together", update_together, METH_O,
     "Go on with up to LANES messages, given as pairs of an Md5 and what comes next."},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &md5_spec, NULL);
    if (type == NULL)
        return -1;
    *(PyObject **)PyModule_GetState(module) = type; /* given back by module_clear */
    if (PyModule_AddType(module, (PyTypeObject *)type) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "LANES", LANES);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **type = PyModule_GetState(module);
    if (type != NULL)
        Py_VISIT(*type);
    return 0;
}

static int module_clear(PyObject *module)
{
    PyObject **type = PyModule_GetState(module);
    if (type != NULL)
        Py_CLEAR(*type);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_md5_lanes",
    .m_doc = "MD5 of several messages at once.",
    .m_size = sizeof(PyObject *),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__md5_lanes(void)
{
    return PyModuleDef_Init(&module_def);
}
