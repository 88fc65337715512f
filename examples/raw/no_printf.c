/* For a program that prints, on a board whose firmware does not: printf that prints nothing. */
int printf(const char *format, ...)
{
    (void)format;
    return 0;
}
