// See recording.h.
#include "app/recording.h"

int recording_open(struct recording *recording, const struct run_options *options, struct ringshade_error *err) {
    *recording = (struct recording){.file.fd = -1};
    if (trace_file_open(&recording->file, options->trace_path, options->trace_limit, err))
        return -1;
    if (!options->report_dir)
        return 0;
    recording->report = report_open(options->report_dir, err);
    if (recording->report)
        return 0;
    trace_file_discard(&recording->file);
    return -1;
}

// As long as one of them wants more, blocks go on recording.
static int take(void *opaque, const void *data, size_t size) {
    struct recording *recording = opaque;
    int wanted = recording->file.fd >= 0 && !trace_file_write(&recording->file, data, size);
    if (recording->report)
        wanted |= !report_take(recording->report, data, size);
    return wanted ? 0 : -1;
}

void recording_configure(struct recording *recording, struct ringshade_config *config) {
    if (recording->file.fd < 0 && !recording->report)
        return;
    config->trace = take;
    config->trace_opaque = recording;
}

int recording_report(struct recording *recording, const struct ringshade *machine, const struct run_options *options,
                     struct ringshade_error *err) {
    if (!recording->report)
        return 0;
    int status = report_write(recording->report, machine, options, err);
    report_destroy(recording->report);
    recording->report = NULL;
    return status;
}

int recording_close(struct recording *recording, struct ringshade_error *err) {
    return trace_file_close(&recording->file, err);
}

void recording_discard(struct recording *recording) {
    trace_file_discard(&recording->file);
    report_destroy(recording->report);
    recording->report = NULL;
}
