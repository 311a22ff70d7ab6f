// What the samples share: where the mock is, and how they fail.
declare const process: { argv: string[]; exit(code: number): never };

export const url = process.argv[2] ?? "";

export function expect(holds: boolean, what: string): void {
  if (!holds) {
    console.error(what);
    process.exit(1);
  }
}
