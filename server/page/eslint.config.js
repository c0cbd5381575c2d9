import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

// Views share rooms beside them, never each other's files: what two need moves out of the first.
const apart = (files, ...regexes) => ({
  files,
  rules: {
    "no-restricted-imports": ["error", {
      patterns: regexes.map((regex) => ({ regex, message: "move what several views need into a shared folder of src/" })),
    }],
  },
});

// useEffect waits for the next frame, and so does its cleanup; a key pressed until then would be lost.
const late = "use useLayoutEffect for what the next key press needs";

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
        { selector: "CallExpression[callee.name='useEffect'] CallExpression[callee.property.name='focus']", message: late },
        {
          selector: "CallExpression[callee.name='useEffect'] CallExpression[callee.name='addEventListener'][arguments.0.value='keydown']",
          message: late,
        },
      ],
    },
  },
  apart(["src/views/*/*"], "^\\.\\./[^.]"),
  apart(["src/views/*/*/**"], "^\\.\\./\\.\\./[^.]", "^(\\.\\./){3}views/"),
  { ...apart(["src/*/**"], "/views/"), ignores: ["src/app/**", "src/views/**"] },
);
