/* MD5 of several messages at once, for many uploads at the same time. Knows nothing of Python.
 *
 * A step of MD5 needs the result of the one before, so one message leaves most of a processor
 * idle. Eight of them, a word of each in every vector, take little longer than two in turn.
 *
 * Written with the vectors of GCC and Clang, which become whatever the target has: nothing is
 * needed beyond the least that a platform promises.
 *
 * Source of the algorithm and its constants: RFC 1321.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MD5_LANES 8
#define WORDS 16
#define BLOCK (4 * WORDS)
#define UNROLLED _Pragma("GCC unroll 4")

typedef uint32_t Vector __attribute__((vector_size(4 * MD5_LANES)));
typedef uint32_t Four __attribute__((vector_size(16)));

/* --- The algorithm ------------------------------------------------------------------------- */

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
static inline void turn(const uint8_t *const *from, size_t offset, uint32_t (*to)[MD5_LANES])
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

static void hash_lanes(uint32_t states[4][MD5_LANES], const uint8_t *const data[MD5_LANES],
                       size_t blocks)
{
    Vector a, b, c, d;
    memcpy(&a, states[0], sizeof a);
    memcpy(&b, states[1], sizeof b);
    memcpy(&c, states[2], sizeof c);
    memcpy(&d, states[3], sizeof d);
    for (size_t offset = 0; offset < blocks * BLOCK; offset += BLOCK) {
        const Vector a0 = a, b0 = b, c0 = c, d0 = d;
        uint32_t turned[WORDS][MD5_LANES] __attribute__((aligned(4 * MD5_LANES)));
        UNROLLED for (int word = 0; word < WORDS; word += 4)
            UNROLLED for (int lane = 0; lane < MD5_LANES; lane += 4)
                turn(data + lane, offset + 4 * word, (uint32_t(*)[MD5_LANES])&turned[word][lane]);
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
    uint32_t state[4];
    uint64_t size;        /* of the message so far, in bytes */
    uint8_t rest[BLOCK];  /* size % BLOCK bytes that do not fill a block yet */
} Md5;

/* A piece that is being hashed: what is left of it. */
typedef struct {
    Md5 *md5;
    const uint8_t *data;
    size_t size;
} Md5Piece;

static void advance(Md5Piece *piece, size_t size)
{
    piece->data += size;
    piece->size -= size;
    piece->md5->size += size;
}

/* Fill the block that was begun, and leave the piece at the begin of one, or empty. */
static void fill_rest(Md5Piece *piece)
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

static void keep_rest(Md5Piece *piece)
{
    memcpy(piece->md5->rest, piece->data, piece->size);
    advance(piece, piece->size);
}

/* Hash of each piece as many blocks as the shortest has. */
static void hash_alike(Md5Piece **pieces, int count)
{
    size_t blocks = pieces[0]->size / BLOCK;
    for (int i = 1; i < count; i++)
        if (pieces[i]->size / BLOCK < blocks)
            blocks = pieces[i]->size / BLOCK;
    if (count == 1) {
        hash_one(pieces[0]->md5->state, pieces[0]->data, blocks);
    } else {
        uint32_t states[4][MD5_LANES];
        const uint8_t *data[MD5_LANES];
        for (int lane = 0; lane < MD5_LANES; lane++) { /* those too many do what the first does */
            const Md5Piece *piece = pieces[lane < count ? lane : 0];
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

/* Hash up to MD5_LANES pieces, each to its end. */
static void hash_pieces(Md5Piece *pieces, int count)
{
    Md5Piece *busy[MD5_LANES];
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

static const Md5 MD5_OF_NOTHING = {.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};

/* Write the hash of what came so far; more may come. */
static void md5_end(const Md5 *md5, uint8_t digest[16])
{
    Md5 end = *md5;
    const uint64_t bits = end.size * 8;
    uint8_t padding[2 * BLOCK] = {0x80};
    const size_t zeros = (2 * BLOCK - 9 - end.size % BLOCK) % BLOCK;
    memcpy(padding + 1 + zeros, &bits, sizeof bits);
    Md5Piece piece = {&end, padding, 1 + zeros + sizeof bits};
    hash_pieces(&piece, 1);
    memcpy(digest, end.state, sizeof end.state);
}
