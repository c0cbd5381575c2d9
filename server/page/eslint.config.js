import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["node_modules", "src/gen", "*.mjs", "*.js"] },
  tseslint.configs.strictTypeChecked,
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // Node's test runner collects what its functions return.
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["describe", "it", "test"] }] },
      ],
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "build elements instead" },
        { property: "dangerouslySetInnerHTML", message: "build elements instead" },
      ],
      "no-restricted-syntax": [
        "error",
        // Node runs the tests by leaving types out, without compiling.
        { selector: "TSEnumDeclaration", message: "use a union of strings" },
        { selector: "TSParameterProperty", message: "declare the property" },
      ],
    },
  },
);
