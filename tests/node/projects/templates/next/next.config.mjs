// What is above this directory is not part of the project.
export default { turbopack: { root: import.meta.dirname } };
