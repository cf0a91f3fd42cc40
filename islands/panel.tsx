/** Parts of the side column: a titled panel, rows of a name and a value, a row of choices. */

import type { ComponentChildren } from "preact";

export function Panel({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

interface RowProps {
  label: string;
  /** `data-hud` of the value. */
  name: string;
  children: ComponentChildren;
  title?: string;
}

export function Row({ label, name, children, title }: RowProps) {
  return (
    <div class="row" title={title}>
      <dt>{label}</dt>
      <dd data-hud={name}>{children}</dd>
    </div>
  );
}

interface ChoiceProps<Value extends number> {
  label: string;
  name: string;
  value: Value;
  choices: readonly (readonly [value: Value, label: string])[];
  onChange(value: Value): void;
}

/** One of a few values, all in sight. */
export function Choice<Value extends number>(
  { label, name, value, choices, onChange }: ChoiceProps<Value>,
) {
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      <div class="choice-values">
        {choices.map(([choice, text]) => (
          <label key={choice}>
            <input
              type="radio"
              name={name}
              value={choice}
              checked={choice === value}
              onChange={() => onChange(choice)}
            />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface SwitchProps {
  label: string;
  name: string;
  on: boolean;
  onChange(on: boolean): void;
  title?: string;
}

export function Switch({ label, name, on, onChange, title }: SwitchProps) {
  return (
    <label class="switch" title={title}>
      <span>{label}</span>
      <input
        type="checkbox"
        role="switch"
        name={name}
        checked={on}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    </label>
  );
}
