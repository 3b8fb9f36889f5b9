// A camera without hardware: what the kernel answers to V4L2's calls, by LD_PRELOAD, for the file $V4L2_SHIM.
// It opens while that file exists. Beside it: .fmt ("MJPG 320 240"), .data (a picture as the camera sends it) and .does
// ("run", "stall", "unplug", "flag", "hang", "busy"), which a test changes while it runs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (4 << 20)
#define MOST 8
static int device = -1, streaming, waiting[MOST], count;
static unsigned sequence;
static char *memory;

static const char *beside(const char *suffix) {
    static __thread char path[4096];
    snprintf(path, sizeof path, "%s%s", getenv("V4L2_SHIM"), suffix);
    return path;
}

static int does(const char *what) {
    char text[32] = "";
    FILE *file = fopen(beside(".does"), "r");
    if (!file) return !strcmp(what, "run");
    if (fscanf(file, "%31s", text) != 1) text[0] = 0;
    fclose(file);
    return !strcmp(what, text);
}

static int gone(void) {
    struct stat facts;
    return stat(getenv("V4L2_SHIM"), &facts) != 0 || does("unplug");
}

static int begin(void) {
    device = memfd_create("camera", MFD_CLOEXEC);
    if (ftruncate(device, (off_t)SIZE * MOST)) return -1;
    memory = mmap(NULL, (size_t)SIZE * MOST, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    streaming = 0;
    return device;
}

static int is_ours(const char *path) {
    const char *ours = getenv("V4L2_SHIM");
    char *real = ours ? realpath(path, NULL) : NULL;
    int same = real && !strcmp(real, ours);
    free(real);
    return same;
}

#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        static int (*next)(const char *, int, ...);                  \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);        \
        va_list list;                                                \
        va_start(list, flags);                                       \
        int mode = va_arg(list, int);                                \
        va_end(list);                                                \
        if (is_ours(path) && (flags & O_RDWR)) {                     \
            if (gone()) return errno = ENODEV, -1;                   \
            return begin();                                          \
        }                                                            \
        return next(path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

static int format(struct v4l2_format *given, int set) {
    char name[5] = "";
    unsigned width, height;
    FILE *file = fopen(beside(".fmt"), "r");
    if (!file || fscanf(file, "%4s %u %u", name, &width, &height) != 3) return errno = EINVAL, -1;
    fclose(file);
    struct v4l2_pix_format *pix = &given->fmt.pix;
    unsigned ours = v4l2_fourcc(name[0], name[1], name[2], name[3]);
    if (set && does("busy")) return errno = EBUSY, -1;
    pix->pixelformat = ours;
    pix->width = width, pix->height = height;
    pix->bytesperline = ours == V4L2_PIX_FMT_MJPEG ? 0 : ours == V4L2_PIX_FMT_NV12 ? width : width * 2;
    pix->sizeimage = SIZE;
    return 0;
}

static int dequeue(struct v4l2_buffer *buffer) {
    if (does("hang")) pause();
    if (!streaming || !count || does("stall")) return errno = EAGAIN, -1;
    int index = waiting[0];
    memmove(waiting, waiting + 1, sizeof(int) * (size_t)--count);
    FILE *file = fopen(beside(".data"), "r");
    buffer->bytesused = file ? (unsigned)fread(memory + (size_t)SIZE * (unsigned)index, 1, SIZE, file) : 0;
    if (file) fclose(file);
    buffer->index = (unsigned)index;
    buffer->length = SIZE;
    buffer->sequence = sequence++;
    buffer->flags = does("flag") ? V4L2_BUF_FLAG_ERROR : 0;
    return 0;
}

int ioctl(int file, unsigned long call, ...) {
    static int (*next)(int, unsigned long, ...);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "ioctl");
    va_list list;
    va_start(list, call);
    void *given = va_arg(list, void *);
    va_end(list);
    if (file != device || file < 0) return next(file, call, given);
    if (gone()) return errno = ENODEV, -1;
    struct v4l2_buffer *buffer = given;
    switch (call & 0xffffffff) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *said = given;
        memset(said, 0, sizeof *said);
        strcpy((char *)said->card, "shim");
        said->capabilities = V4L2_CAP_DEVICE_CAPS | V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        said->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_G_FMT: return format(given, 0);
    case VIDIOC_S_FMT: return format(given, 1);
    case VIDIOC_S_PARM: return 0;
    case VIDIOC_REQBUFS: count = 0; return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = SIZE;
        buffer->m.offset = buffer->index * SIZE;
        return 0;
    case VIDIOC_QBUF: waiting[count++] = (int)buffer->index; return 0;
    case VIDIOC_DQBUF: return dequeue(buffer);
    case VIDIOC_STREAMON: streaming = 1; return 0;
    case VIDIOC_STREAMOFF: streaming = 0; return 0;
    default: return errno = ENOTTY, -1;
    }
}

int poll(struct pollfd *files, nfds_t number, int timeout) {
    static int (*next)(struct pollfd *, nfds_t, int);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "poll");
    if (number != 1 || files[0].fd != device || device < 0) return next(files, number, timeout);
    for (int waited = 0; waited < timeout || timeout < 0; waited += 20) {
        usleep(20000);
        if (gone()) return files[0].revents = POLLERR, 1;
        if (streaming && count && !does("stall")) return files[0].revents = POLLIN, 1;
    }
    return 0;
}
