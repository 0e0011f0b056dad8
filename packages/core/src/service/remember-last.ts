/**
 * The function with a memory for one call: asked again for what it was asked last, it answers the same without working it out. For
 * conversions whose inputs come in runs of equals. What it throws is not remembered.
 *
 * @param convert must be pure, of a string, a number or null.
 */
export function rememberLast<Input extends string | number | null, Output>(
  convert: (input: Input) => Output,
): (input: Input) => Output {
  let last: { readonly input: Input; readonly output: Output } | undefined
  return (input) => {
    if (last === undefined || last.input !== input) last = { input, output: convert(input) }
    return last.output
  }
}
