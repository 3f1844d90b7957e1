/** The address at which the bundler serves a file. */
declare module '*?url' {
  const address: string;
  export default address;
}
