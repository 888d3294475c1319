// Ends with 0 where this Node.js is one that our packages will take, today and next year.
const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 22 || (major === 22 && minor >= 12) ? 0 : 1);
