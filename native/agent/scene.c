#include "scene.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "camera.h"
#include "error.h"
#include "overlay.h"
#include "robot.h"
#include "world.h"

#define NEAR 0.4f
#define FAR 900.0f
#define FIELD_OF_VIEW 0.66f /* radians, from top to bottom */

typedef enum part { WORLD, ROBOT, PARTS_COUNT } part;

struct scene {
  const gl *gl;
  uint32_t width, height, top; /* of the picture; under the overlay from that row on */
  unsigned program, vertex_arrays[PARTS_COUNT], buffers[PARTS_COUNT];
  int place_camera;
  world world;
  mesh robot;
  overlay *overlay;
};

static const char vertex_shader[] =
    "uniform mat4 camera;\n"
    "layout(location = 0) in vec3 position;\n"
    "layout(location = 1) in vec4 colour;\n"
    "out vec3 shown;\n"
    "void main() {\n"
    "  gl_Position = camera * vec4(position, 1.0);\n"
    "  float haze = colour.a * (1.0 - exp(-gl_Position.w * 0.011));\n"
    "  shown = mix(colour.rgb, vec3(0.98, 0.83, 0.66), haze);\n"
    "}\n";

static const char fragment_shader[] =
    "in vec3 shown;\n"
    "out vec4 colour;\n"
    "void main() { colour = vec4(shown, 1.0); }\n";

static void fill(const scene *scene, part part, const mesh *mesh, unsigned usage) {
  scene->gl->BindBuffer(GL_ARRAY_BUFFER, scene->buffers[part]);
  scene->gl->BufferData(GL_ARRAY_BUFFER, (intptr_t)(mesh->count * sizeof(vertex)), mesh->vertices, usage);
}

static int open_parts(scene *made) {
  const gl *gl = made->gl;
  gl->GenVertexArrays(PARTS_COUNT, made->vertex_arrays);
  gl->GenBuffers(PARTS_COUNT, made->buffers);
  for (int part = 0; part < PARTS_COUNT; part++) {
    gl->BindVertexArray(made->vertex_arrays[part]);
    gl->BindBuffer(GL_ARRAY_BUFFER, made->buffers[part]);
    gl->EnableVertexAttribArray(0);
    gl->EnableVertexAttribArray(1);
    gl->VertexAttribPointer(0, 3, GL_FLOAT, 0, sizeof(vertex), (void *)offsetof(vertex, position));
    gl->VertexAttribPointer(1, 4, GL_UNSIGNED_BYTE, 1, sizeof(vertex), (void *)offsetof(vertex, colour));
  }
  int result = world_build(&made->world);
  if (result < 0) return result;
  fill(made, WORLD, &made->world.mesh, GL_STATIC_DRAW);
  result = mesh_open(&made->robot, ROBOT_VERTICES_MAX);
  return result < 0 ? result : gl_check(gl, "make a scene");
}

int scene_open(const gl *gl, uint32_t width, uint32_t height, scene **made) {
  scene *self = calloc(1, sizeof *self);
  if (self == NULL) return error_set(ENOMEM, "cannot make a scene: no memory");
  *self = (scene){.gl = gl, .width = width, .height = height, .top = overlay_rows(height)};
  int result = gl_program(gl, vertex_shader, fragment_shader, &self->program);
  if (result == 0) result = open_parts(self);
  if (result == 0) result = overlay_open(gl, width, height, &self->overlay);
  if (result < 0) {
    scene_close(self);
    return result;
  }
  self->place_camera = gl->GetUniformLocation(self->program, "camera");
  *made = self;
  return 0;
}

/* From the sea's side, with the mountain behind; it swings slowly around the robot. */
static camera point_camera(const scene *scene, double seconds) {
  robot_pose pose = robot_pose_at(seconds);
  float swing = (float)fmod(seconds, 1e4), turn = pose.angle + 0.62f + 0.5f * sinf(swing * 0.11f);
  float distance = 4.8f + 0.9f * sinf(swing * 0.17f), height = 1.5f + 0.4f * sinf(swing * 0.07f + 2);
  vec3 eye = {pose.middle.x + distance * cosf(turn), pose.middle.y + height, pose.middle.z + distance * sinf(turn)};
  vec3 target = {pose.middle.x * 0.92f, pose.middle.y + 0.5f, pose.middle.z * 0.92f};
  return camera_at(eye, target, (float)scene->width / (float)(scene->height - scene->top), FIELD_OF_VIEW, NEAR, FAR);
}

static void draw_world(const scene *scene, const camera *camera) {
  const world_piece *pieces[WORLD_PIECES_COUNT];
  int count = world_visible(&scene->world, camera, pieces);
  scene->gl->BindVertexArray(scene->vertex_arrays[WORLD]);
  for (int i = 0; i < count; i++) scene->gl->DrawArrays(GL_TRIANGLES, pieces[i]->first, pieces[i]->count);
}

void scene_draw(scene *scene, const scene_state *state) {
  const gl *gl = scene->gl;
  camera camera = point_camera(scene, state->seconds);
  scene->robot.count = 0;
  robot_build(state->seconds, &scene->robot);
  fill(scene, ROBOT, &scene->robot, GL_DYNAMIC_DRAW);
  gl->Viewport(0, (int)scene->top, (int)scene->width, (int)(scene->height - scene->top));
  gl->Enable(GL_DEPTH_TEST);
  gl->Enable(GL_CULL_FACE);
  gl->FrontFace(GL_CW);           /* the camera's y points down */
  gl->Clear(GL_DEPTH_BUFFER_BIT); /* the sky covers what nothing else does */
  gl->UseProgram(scene->program);
  gl->UniformMatrix4fv(scene->place_camera, 1, 0, camera.matrix);
  gl->BindVertexArray(scene->vertex_arrays[ROBOT]);
  gl->DrawArrays(GL_TRIANGLES, 0, (int)scene->robot.count);
  draw_world(scene, &camera);
  gl->Disable(GL_CULL_FACE);
  gl->Disable(GL_DEPTH_TEST);
  overlay_draw(scene->overlay, state->frame, state->t_real_ns);
}

void scene_close(scene *scene) {
  if (scene == NULL) return;
  const gl *gl = scene->gl;
  overlay_close(scene->overlay);
  mesh_close(&scene->robot);
  mesh_close(&scene->world.mesh);
  gl->DeleteBuffers(PARTS_COUNT, scene->buffers);
  gl->DeleteVertexArrays(PARTS_COUNT, scene->vertex_arrays);
  if (scene->program != 0) gl->DeleteProgram(scene->program);
  free(scene);
}
