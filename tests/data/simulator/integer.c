/* Integer work of many kinds for the simulator's comparison with unicorn: recursion, jump tables,
 * 64-bit arithmetic, byte-wise access, function pointers. The results are what memory holds at the end. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

static u32 seed = 12345;
u32 words[512];
u8 bytes[1024];
u64 sums[16];
u32 results[16];

static u32 next_random(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 7;
}

static void quick_sort(int *first, int *last) {
    if (last - first < 2) return;
    int pivot = first[(last - first) / 2];
    int *low = first, *high = last - 1;
    while (low <= high) {
        while (*low < pivot) low++;
        while (*high > pivot) high--;
        if (low <= high) {
            int swap = *low;
            *low++ = *high;
            *high-- = swap;
        }
    }
    quick_sort(first, high + 1);
    quick_sort(low, last);
}

static u32 crc32(const u8 *data, int size) {
    u32 crc = ~0u;
    for (int i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

static u32 interpret(u32 op, u32 a, u32 b) {
    switch (op % 9) {
    case 0: return a + b;
    case 1: return a * b;
    case 2: return b ? a / b : 1;
    case 3: return b ? (u32)((int)a % (int)b) : 2;
    case 4: return a << (b & 31);
    case 5: return (u32)((int)a >> (b & 31));
    case 6: return a < b ? a : b;
    case 7: return (u32)(((u64)a * b) >> 32);
    default: return a ^ ~b;
    }
}

static u32 twice(u32 x) { return 2 * x; }
static u32 square(u32 x) { return x * x; }
static u32 (*volatile functions[2])(u32) = {twice, square};

int entry(void) {
    for (int i = 0; i < 512; i++) words[i] = next_random() - (next_random() << 12);
    quick_sort((int *)words, (int *)words + 512);
    for (int i = 0; i < 1024; i++) bytes[i] = (u8)(words[i / 2] >> (i % 4 * 8));
    results[0] = crc32(bytes, sizeof bytes);
    for (int i = 0; i < 3000; i++) results[1 + i % 8] = interpret(next_random(), results[1 + (i + 3) % 8], words[i % 512]);
    for (int i = 0; i < 512; i++) {
        long long product = (long long)(int)words[i] * (int)words[511 - i];
        sums[i % 16] += (u64)product << (i % 23);
        sums[(i + 5) % 16] ^= (u64)(product >> (i % 41));
    }
    results[9] = 7;
    for (int i = 0; i < 100; i++) results[9] = functions[i % 2](results[9]) + (u32)i;
    for (int i = 0; i < 64; i++) *(volatile u32 *)(void *)(bytes + 13 * i) += (u32)i; /* misaligned */
    return (int)results[0];
}
