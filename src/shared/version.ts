/**
 * The version of the product: that of package.json, which the Worker does not load because it names the tools too. A
 * test keeps the two equal.
 *
 * @module
 */
export const productVersion = '0.1.0';
