/** A passage that says nothing about any question: the warm-up `text`. */
export const neutralText =
  'A library is a collection of books, and possibly other materials and media, that its members may use. ' +
  'Libraries provide printed or digital materials, and may be a building, a room, or both. ' +
  'A library usually holds books, which may be borrowed, and other things such as recordings and maps. ' +
  'Services may also be delivered to people who cannot come. The rooms are often quiet, so that people ' +
  'can read, write and learn there. Staff help visitors to find what they need, and many libraries hold ' +
  'events for children and adults through the year.';
