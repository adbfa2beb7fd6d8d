// What a guest consists of: reading it, recognising the kernel, handing it to the loader for its kind.
#include "machine/guest.h"

#include "machine/load_linux.h"
#include "machine/load_multiboot.h"

#include <stdlib.h>
#include <string.h>

static char *copy_text(const char *text) {
    return strdup(text ? text : "");
}

static int add_module(struct guest *guest, const char *role, const char *path, const char *args, struct error *err) {
    struct guest_module *module = &guest->modules[guest->module_count];
    if (file_image_read(&module->file, role, path, err))
        return -1;
    guest->module_count++;
    module->args = copy_text(args);
    return module->args ? 0 : error_set(err, "out of memory");
}

static int reject_unknown(const struct file_image *kernel, struct error *err) {
    static const uint8_t elf_magic[4] = {0x7f, 'E', 'L', 'F'};
    if (kernel->size >= 4 && !memcmp(kernel->data, elf_magic, 4))
        return file_image_error(kernel, err,
                                "is an ELF file without a Multiboot header; give a Linux bzImage (vmlinuz) "
                                "or a Multiboot kernel");
    if (kernel->size >= 2 && kernel->data[0] == 0x1f && kernel->data[1] == 0x8b)
        return file_image_error(kernel, err, "is a gzip file; unpack it first");
    return file_image_error(kernel, err, "is neither a Linux bzImage nor a Multiboot kernel");
}

static int open_kernel(struct guest *guest, const struct ringshade_guest *request, struct error *err) {
    if (!request->kernel)
        return error_set(err, "no kernel given");
    if (file_image_read(&guest->kernel, "kernel", request->kernel, err))
        return -1;
    if (load_linux_recognises(&guest->kernel))
        guest->kind = GUEST_LINUX;
    else if (load_multiboot_recognises(&guest->kernel))
        guest->kind = GUEST_MULTIBOOT;
    else
        return reject_unknown(&guest->kernel, err);
    guest->append = copy_text(request->append);
    return guest->append ? 0 : error_set(err, "out of memory");
}

static int open_all(struct guest *guest, const struct ringshade_guest *request, struct error *err) {
    if (open_kernel(guest, request, err))
        return -1;
    if (guest->kind == GUEST_LINUX && request->module_count)
        return file_image_error(&guest->kernel, err, "is a Linux kernel, which takes an initrd but no modules");
    if (request->module_count + (request->initrd ? 1 : 0) > RINGSHADE_MODULES_MAX)
        return error_set(err, "too many modules: %zu, at most %d", request->module_count, RINGSHADE_MODULES_MAX);
    if (request->initrd && guest->kind == GUEST_LINUX &&
        file_image_open(&guest->initrd, "initrd", request->initrd, err))
        return -1;
    if (request->initrd && guest->kind != GUEST_LINUX && add_module(guest, "initrd", request->initrd, NULL, err))
        return -1;
    for (size_t i = 0; i < request->module_count; i++)
        if (add_module(guest, "module", request->modules[i].path, request->modules[i].args, err))
            return -1;
    return 0;
}

int guest_open(struct guest *guest, const struct ringshade_guest *request, struct error *err) {
    *guest = (struct guest){0};
    int status = open_all(guest, request, err);
    if (status)
        guest_close(guest);
    return status;
}

void guest_close(struct guest *guest) {
    file_image_free(&guest->kernel);
    file_image_free(&guest->initrd);
    free(guest->append);
    for (size_t i = 0; i < guest->module_count; i++) {
        file_image_free(&guest->modules[i].file);
        free(guest->modules[i].args);
    }
    *guest = (struct guest){0};
}

int guest_place(const struct guest *guest, struct ram *ram, struct cpu_state *state, struct error *err) {
    return guest->kind == GUEST_LINUX ? load_linux(guest, ram, state, err) : load_multiboot(guest, ram, state, err);
}
