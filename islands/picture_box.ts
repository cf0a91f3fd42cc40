/** Where the picture lies in its canvas element: as large as fits, centred (CSS `object-fit: contain`). */

interface Size {
  width: number;
  height: number;
}

interface Box extends Size {
  left: number;
  top: number;
}

export function pictureBox(element: Box, picture: Size): Box {
  const scale = Math.min(element.width / picture.width, element.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return {
    left: element.left + (element.width - width) / 2,
    top: element.top + (element.height - height) / 2,
    width,
    height,
  };
}

/** A point of the page as a share of the picture, 0 to 1 from its top left; points beside it go to its edge. */
export function pointInPicture(
  point: { clientX: number; clientY: number },
  element: Box,
  picture: Size,
): { x: number; y: number } {
  const box = pictureBox(element, picture);
  const share = (offset: number, length: number) => Math.min(1, Math.max(0, offset / length));
  return {
    x: share(point.clientX - box.left, box.width),
    y: share(point.clientY - box.top, box.height),
  };
}
