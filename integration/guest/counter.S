/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The smallest guest that can judge its own restore: a boot sector that walks through its
 * RAM for ever.
 *
 *	pass n:  for each page from START to END:
 *	             is it exactly what pass n-1 wrote?   no: "BAD <page address>", stop for good
 *	             write what pass n writes
 *	         print n as eight hexadecimal digits and a newline on the first serial port
 *
 * A page holds its address combined with the pass in its first and in its last word, so a
 * page that is old, new, torn or from elsewhere is noticed in the pass after the restore.
 * The pass lives in a register only: a guest that started again would print 00000001.
 *
 * Options (as --defsym): END_MIB, the end of the walk, which the guest's RAM must exceed
 * by a MiB; HEARTBEAT, print a '.' after that many pages, to measure from outside how long
 * the guest stood still (the dots of a pass stand before its number on the same line).
 */
	.ifndef END_MIB
	.set	END_MIB, 100
	.endif
	.ifndef HEARTBEAT
	.set	HEARTBEAT, 0
	.endif

	.set	START, 0x100000
	.set	END, END_MIB * 0x100000
	.set	PAGE, 0x1000
	.set	LAST_WORD, PAGE - 4
	.set	SERIAL, 0x3f8
	.set	SERIAL_STATUS, SERIAL + 5
	.set	SERIAL_EMPTY, 0x20
	.set	CODE_SEGMENT, 8
	.set	DATA_SEGMENT, 16

	.text
	.globl	_start
	.code16
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	inb	$0x92, %al		/* the A20 gate: reach odd MiB */
	orb	$2, %al
	andb	$0xfe, %al		/* bit 0 would reset the machine */
	outb	%al, $0x92
	lgdtw	table_register
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpw	$CODE_SEGMENT, $protected

	.code32
protected:
	movw	$DATA_SEGMENT, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$_start, %esp
	xorl	%ebp, %ebp		/* ebp: the last complete pass */
	movl	$START, %edi		/* edi: the page */
fill:
	call	write_page
	addl	$PAGE, %edi
	cmpl	$END, %edi
	jb	fill

	movl	$HEARTBEAT, %esi	/* esi: pages until the next dot */
next_pass:
	movl	$START, %edi
next_page:
	leal	(%ebp, %edi), %eax
	cmpl	%eax, (%edi)
	jne	bad
	movl	%ebp, %eax
	xorl	%edi, %eax
	cmpl	%eax, LAST_WORD(%edi)
	jne	bad
	incl	%ebp
	call	write_page
	decl	%ebp
	.if	HEARTBEAT
	decl	%esi
	jnz	no_dot
	movl	$HEARTBEAT, %esi
	movb	$'.', %al
	call	print_character
no_dot:
	.endif
	addl	$PAGE, %edi
	cmpl	$END, %edi
	jb	next_page
	incl	%ebp
	movl	%ebp, %ebx
	call	print_number
	jmp	next_pass

bad:
	movl	$bad_text, %esi
bad_character:
	lodsb
	call	print_character
	cmpb	$' ', %al
	jne	bad_character
	movl	%edi, %ebx
	call	print_number
stop:
	hlt
	jmp	stop

/* What pass ebp leaves in page edi; next_page checks the same. Spoils eax. */
write_page:
	leal	(%ebp, %edi), %eax
	movl	%eax, (%edi)
	movl	%ebp, %eax
	xorl	%edi, %eax
	movl	%eax, LAST_WORD(%edi)
	ret

/* Prints ebx and a newline. Spoils eax, ebx, ecx, edx. */
print_number:
	movl	$8, %ecx
next_digit:
	roll	$4, %ebx
	movb	%bl, %al
	andb	$15, %al
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	digit
	addb	$('a' - '9' - 1), %al
digit:
	call	print_character
	loop	next_digit
	movb	$'\n', %al

/* Prints al (and is print_number's last step). Spoils edx. */
print_character:
	movb	%al, %ah
	movw	$SERIAL_STATUS, %dx
busy:
	inb	%dx, %al
	testb	$SERIAL_EMPTY, %al
	jz	busy
	movw	$SERIAL, %dx
	movb	%ah, %al
	outb	%al, %dx
	ret

bad_text:
	.ascii	"BAD "

	.balign	8
table:
	.quad	0
	.quad	0x00cf9a000000ffff	/* code: all 4 GiB */
	.quad	0x00cf92000000ffff	/* data: all 4 GiB */
table_register:
	.word	table_register - table - 1
	.long	table

	.org	510
	.word	0xaa55
