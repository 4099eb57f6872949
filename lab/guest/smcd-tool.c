/* smcd-tool: moves bytes over SMC-D inside a guest. */
#include <stdio.h>

int main(void)
{
	fprintf(stderr, "usage: smcd-tool COMMAND ...\n");
	return 2;
}
