/* Atomic operations as compilers make them, for the simulator's comparison with unicorn. */
int counter, swapped, lowest, bits;
unsigned char flag;
short halves[8];

int entry(void) {
    for (int i = 0; i < 100; i++) {
        __atomic_fetch_add(&counter, i, __ATOMIC_SEQ_CST);
        __atomic_fetch_xor(&bits, 1 << (i % 31), __ATOMIC_RELAXED);
        swapped += __atomic_exchange_n(&lowest, -i * i, __ATOMIC_ACQ_REL);
        int expected = i;
        if (!__atomic_compare_exchange_n(&swapped, &expected, 5, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
            counter += expected;
        }
        halves[i % 8] = (short)__atomic_fetch_or(&halves[(i + 1) % 8], (short)i, __ATOMIC_SEQ_CST);
        if (__atomic_test_and_set(&flag, __ATOMIC_ACQUIRE)) __atomic_clear(&flag, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return counter;
}
