/* The checksums of large bodies, for Python: MD5 and CRC-64, those of many bodies in one call.
 *
 * While they are computed, other threads run: one call is one change of threads, however many
 * bodies it is for. Where no compiler takes this, hashing.py and blobs/crc64.py do without.
 */

#if !defined(__GNUC__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "needs the vectors of GCC or Clang, and words whose first byte counts least"
#endif

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "crc64.h"
#include "md5_lanes.h"

#define SOON_DONE 4096 /* bytes: in less time than other threads take to be let in and out */

typedef struct {
    PyObject_HEAD
    Md5 sum;
} Md5Object;

typedef struct {
    PyObject_HEAD
    uint64_t sum;
} Crc64Object;

typedef struct {
    PyTypeObject *md5, *crc64;
} Types;

/* What one call is given, and what has to be given back after it. */
typedef struct {
    Md5Piece md5s[MD5_LANES];
    Crc64Object *crc64s[MD5_LANES];
    const Py_buffer *crc64_data[MD5_LANES];
    Py_buffer buffers[2 * MD5_LANES];
    int md5_count, crc64_count, count;
} Batch;

/* Let other threads run meanwhile, where that is worth it. */
static void compute(Batch *batch)
{
    Py_ssize_t size = 0;
    for (int i = 0; i < batch->count; i++)
        size += batch->buffers[i].len;
    PyThreadState *let_go = size < SOON_DONE ? NULL : PyEval_SaveThread();
    for (int i = 0; i < batch->crc64_count; i++) {
        const Py_buffer *data = batch->crc64_data[i];
        uint64_t *sum = &batch->crc64s[i]->sum;
        *sum = crc64_go_on(*sum, data->buf, (size_t)data->len);
    }
    hash_pieces(batch->md5s, batch->md5_count);
    if (let_go != NULL)
        PyEval_RestoreThread(let_go);
}

static int refuse_more(void)
{
    PyErr_Format(PyExc_ValueError, "more than %d of a kind", MD5_LANES);
    return -1;
}

static int refuse_twice(void)
{
    PyErr_SetString(PyExc_ValueError, "one checksum cannot take two pieces at once");
    return -1;
}

static int refuse_other(void)
{
    PyErr_SetString(PyExc_TypeError, "pairs of an Md5 or a Crc64 and bytes are needed");
    return -1;
}

static int add_md5(Batch *batch, Md5Object *md5, const Py_buffer *data)
{
    if (batch->md5_count == MD5_LANES)
        return refuse_more();
    for (int i = 0; i < batch->md5_count; i++)
        if (batch->md5s[i].md5 == &md5->sum)
            return refuse_twice();
    batch->md5s[batch->md5_count++] = (Md5Piece){&md5->sum, data->buf, (size_t)data->len};
    return 0;
}

static int add_crc64(Batch *batch, Crc64Object *crc64, const Py_buffer *data)
{
    if (batch->crc64_count == MD5_LANES)
        return refuse_more();
    for (int i = 0; i < batch->crc64_count; i++)
        if (batch->crc64s[i] == crc64)
            return refuse_twice();
    batch->crc64s[batch->crc64_count] = crc64;
    batch->crc64_data[batch->crc64_count++] = data;
    return 0;
}

static int add(Batch *batch, PyObject *sum, PyObject *given, const Types *types)
{
    if (batch->count == 2 * MD5_LANES)
        return refuse_more();
    Py_buffer *data = &batch->buffers[batch->count];
    if (PyObject_GetBuffer(given, data, PyBUF_SIMPLE) < 0)
        return -1;
    batch->count++;
    if (Py_TYPE(sum) == types->md5)
        return add_md5(batch, (Md5Object *)sum, data);
    if (Py_TYPE(sum) == types->crc64)
        return add_crc64(batch, (Crc64Object *)sum, data);
    return refuse_other();
}

static int add_pairs(Batch *batch, PyObject *pairs, const Types *types)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(pairs); i++) {
        PyObject *pair = PyTuple_GetItem(pairs, i);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2)
            return refuse_other();
        if (add(batch, PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1), types) < 0)
            return -1;
    }
    return 0;
}

/* Compute, unless something could not be `added`, and let go of what was. */
static PyObject *finish(Batch *batch, int added)
{
    if (added == 0)
        compute(batch);
    for (int i = 0; i < batch->count; i++)
        PyBuffer_Release(&batch->buffers[i]);
    if (added < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *update_together(PyObject *module, PyObject *given)
{
    PyObject *pairs = PySequence_Tuple(given); /* which keeps all of them alive */
    if (pairs == NULL)
        return NULL;
    Batch batch = {.count = 0};
    PyObject *none = finish(&batch, add_pairs(&batch, pairs, PyModule_GetState(module)));
    Py_DECREF(pairs);
    return none;
}

static PyObject *update(PyObject *self, PyObject *data)
{
    Batch batch = {.count = 0};
    return finish(&batch, add(&batch, self, data, PyType_GetModuleState(Py_TYPE(self))));
}

/* --- Types --------------------------------------------------------------------------------- */

static PyObject *sum_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    static char *none[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, names, "", none))
        return NULL;
    return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* zeros */
}

static PyObject *md5_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *self = sum_new(type, args, names);
    if (self != NULL)
        ((Md5Object *)self)->sum = MD5_OF_NOTHING;
    return self;
}

static void sum_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *md5_digest(PyObject *self, PyObject *unused)
{
    (void)unused;
    uint8_t digest[16];
    md5_end(&((Md5Object *)self)->sum, digest);
    return PyBytes_FromStringAndSize((const char *)digest, sizeof digest);
}

static PyObject *crc64_digest(PyObject *self, PyObject *unused)
{
    (void)unused;
    const uint64_t sum = ((Crc64Object *)self)->sum;
    return PyBytes_FromStringAndSize((const char *)&sum, sizeof sum);
}

static PyMethodDef md5_methods[] = {
    {"update", update, METH_O, "Go on with more of the message."},
    {"digest", md5_digest, METH_NOARGS, "Return the 16 bytes of the hash of what came so far."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef crc64_methods[] = {
    {"update", update, METH_O, "Go on with more of the message."},
    {"digest", crc64_digest, METH_NOARGS, "Return the checksum, the least significant byte first."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot md5_slots[] = {
    {Py_tp_doc, "The MD5 of one message, used as those of hashlib are; by one thread at a time."},
    {Py_tp_new, md5_new},
    {Py_tp_dealloc, sum_free},
    {Py_tp_methods, md5_methods},
    {0, NULL},
};

static PyType_Slot crc64_slots[] = {
    {Py_tp_doc, "The CRC-64/NVME of one message, used as a hash is; by one thread at a time."},
    {Py_tp_new, sum_new},
    {Py_tp_dealloc, sum_free},
    {Py_tp_methods, crc64_methods},
    {0, NULL},
};

static PyType_Spec md5_spec = {
    .name = "triggerfish_storage._checksums.Md5",
    .basicsize = sizeof(Md5Object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = md5_slots,
};

static PyType_Spec crc64_spec = {
    .name = "triggerfish_storage._checksums.Crc64",
    .basicsize = sizeof(Crc64Object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = crc64_slots,
};

/* --- The module ---------------------------------------------------------------------------- */

static PyMethodDef module_methods[] = {
    {"update_together", update_together, METH_O,
     "Go on with up to LANES messages of each kind, given as pairs of an Md5 or a Crc64 and what"
     " comes next."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *added_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type; /* which module_clear gives back */
}

static int module_exec(PyObject *module)
{
    Types *types = PyModule_GetState(module);
    crc64_make_table();
    if ((types->md5 = added_type(module, &md5_spec)) == NULL)
        return -1;
    if ((types->crc64 = added_type(module, &crc64_spec)) == NULL)
        return -1;
    return PyModule_AddIntConstant(module, "LANES", MD5_LANES);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Types *types = PyModule_GetState(module);
    if (types != NULL) {
        Py_VISIT(types->md5);
        Py_VISIT(types->crc64);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    Types *types = PyModule_GetState(module);
    if (types != NULL) {
        Py_CLEAR(types->md5);
        Py_CLEAR(types->crc64);
    }
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
    .m_name = "_checksums",
    .m_doc = "MD5 and CRC-64/NVME of several messages at once.",
    .m_size = sizeof(Types),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__checksums(void)
{
    return PyModuleDef_Init(&module_def);
}
