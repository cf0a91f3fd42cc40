/** Parts of the side column: a titled panel, rows of a name and a value, and what a person sets. */

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
  /** A word on the value, under it. */
  detail?: string | null;
  title?: string;
}

export function Row({ label, name, children, detail, title }: RowProps) {
  return (
    <div class="row" title={title}>
      <dt>{label}</dt>
      <dd>
        <span data-hud={name}>{children}</span>
        {detail && <span class="muted small" data-detail={name}>{detail}</span>}
      </dd>
    </div>
  );
}

interface ChoiceProps<Value extends number | string> {
  label: string;
  name: string;
  value: Value;
  choices: readonly (readonly [value: Value, label: string])[];
  onChange(value: Value): void;
}

/** One of a few values, all in sight. */
export function Choice<Value extends number | string>(
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

interface SearchFieldProps {
  label: string;
  /** Where the label is not all that is to be said. */
  placeholder?: string;
  value: string;
  onInput(text: string): void;
}

export function SearchField({ label, placeholder, value, onInput }: SearchFieldProps) {
  return (
    <input
      type="search"
      class="text-field"
      placeholder={placeholder ?? label}
      aria-label={label}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

interface SliderProps {
  label: string;
  name: string;
  value: number;
  min: number;
  max: number;
  step: number;
  /** The value in words, behind the slider. */
  text: string;
  disabled?: boolean;
  onInput(value: number): void;
  title?: string;
}

export function Slider(props: SliderProps) {
  const { label, name, value, min, max, step, text, disabled, onInput, title } = props;
  return (
    <label class="slider" title={title}>
      <span>{label}</span>
      <input
        type="range"
        name={name}
        min={min}
        max={max}
        step={step}
        value={value}
        aria-label={label}
        aria-valuetext={text}
        disabled={disabled}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
      <output data-hud={`${name}-knob`}>{text}</output>
    </label>
  );
}

interface SwitchProps {
  label: string;
  name: string;
  on: boolean;
  disabled?: boolean;
  onChange(on: boolean): void;
  title?: string;
}

export function Switch({ label, name, on, disabled, onChange, title }: SwitchProps) {
  return (
    <label class="switch" title={title}>
      <span>{label}</span>
      <input
        type="checkbox"
        role="switch"
        name={name}
        checked={on}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    </label>
  );
}
