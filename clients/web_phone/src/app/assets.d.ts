/** What the build makes of a style sheet is nothing that code reads. */
declare module "*.css";
