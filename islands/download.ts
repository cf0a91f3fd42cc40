/** Hands bytes to the browser as a download. */

export function downloadPng(png: Uint8Array<ArrayBuffer>, fileName: string): void {
  const url = URL.createObjectURL(new Blob([png], { type: "image/png" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  // The download has begun when the next task runs; it holds the bytes by itself.
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
