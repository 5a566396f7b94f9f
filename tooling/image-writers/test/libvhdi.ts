/** A program for Python: opens an image, over the parents that are named behind it, and prints the hash of its content. */
export const LIBVHDI = `
import hashlib, pyvhdi, sys
kept = []
def opened(path, *parents):
    image = pyvhdi.file()
    kept.append(image)
    image.open(path)
    if parents: image.set_parent(opened(*parents))
    return image
image = opened(*sys.argv[1:])
print(hashlib.sha256(image.read(image.get_media_size())).hexdigest())
`;
