/*
 * A program that draws with OpenGL ES on no screen, and shows it in telebridge: a disc that goes around. The lines that
 * a program of yours needs are the four with tele_.
 *
 *   cc -O2 examples/egl_program.c -I native/include -L native/build -ltelebridge -lEGL -lGLESv2 -lm \
 *     -Wl,-rpath,"$PWD/native/build" -o egl_program && ./egl_program
 */
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl3.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <telebridge.h>

enum { WIDTH = 640, HEIGHT = 360, FPS = 30 };

static volatile sig_atomic_t stop_wanted;

static void stop(int number) {
  (void)number;
  stop_wanted = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "egl_program: %s\n", what);
  exit(1);
}

/* The first device that EGL has, and no surface: pictures are drawn into a texture. */
static void make_context(void) {
  PFNEGLQUERYDEVICESEXTPROC query_devices = (PFNEGLQUERYDEVICESEXTPROC)eglGetProcAddress("eglQueryDevicesEXT");
  EGLDeviceEXT device;
  EGLint count = 0;
  if (query_devices == NULL || !query_devices(1, &device, &count) || count == 0) fail("EGL has no device");
  EGLDisplay display = eglGetPlatformDisplay(EGL_PLATFORM_DEVICE_EXT, device, NULL);
  if (!eglInitialize(display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API)) fail("EGL does not start");
  const EGLint attributes[] = {EGL_CONTEXT_MAJOR_VERSION, 3, EGL_NONE};
  EGLContext context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
  if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context)) fail("there is no OpenGL ES 3");
}

static GLuint make_texture(void) {
  GLuint texture, framebuffer;
  glGenTextures(1, &texture);
  glBindTexture(GL_TEXTURE_2D, texture);
  glTexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, WIDTH, HEIGHT);
  glGenFramebuffers(1, &framebuffer);
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
  glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
  return texture;
}

/* Your scene stands here. Rows of a disc, each cleared to its colour, which saves this example its shaders. */
static void draw(double seconds) {
  const double x = WIDTH * (0.5 + 0.35 * cos(seconds)), y = HEIGHT * (0.5 + 0.3 * sin(2 * seconds));
  const int radius = 40;
  glClearColor(0.09f, 0.11f, 0.2f, 1);
  glClear(GL_COLOR_BUFFER_BIT);
  glEnable(GL_SCISSOR_TEST);
  for (int row = -radius; row <= radius; row++) {
    const int half = (int)sqrt(radius * radius - row * row);
    glScissor((int)x - half, (int)y + row, 2 * half + 1, 1);
    glClearColor(1, 0.55f + 0.3f * (float)row / (float)radius, 0.2f, 1);
    glClear(GL_COLOR_BUFFER_BIT);
  }
  glDisable(GL_SCISSOR_TEST);
}

int main(int argc, char **argv) {
  const tele_gl_options options = {.width = WIDTH, .height = HEIGHT, .fps_mhz = FPS * 1000};
  const struct timespec period = {0, 1000000000 / FPS};
  tele_gl *gl;
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  make_context();
  const GLuint texture = make_texture();
  if (tele_gl_open(argc > 1 ? argv[1] : "egl", &options, &gl) < 0) fail(tele_error_message());
  for (uint64_t step = 1; !stop_wanted; step++) {
    draw((double)step / FPS);
    const tele_gl_frame frame = {.texture = texture, .step = step};
    if (tele_gl_publish(gl, &frame) < 0) fail(tele_error_message());
    nanosleep(&period, NULL); /* a program that simulates has no need of this */
  }
  tele_gl_close(gl);
  return 0;
}
