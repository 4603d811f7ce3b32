// What the API says of a mistake, for who reads a page: a remedy that names routes and schemas (its error has a `see`) is for programs.
export const told = (error) =>
  [error.message, error.expected, error.details?.see ? "" : error.remedy].filter(Boolean).join(" · ");
