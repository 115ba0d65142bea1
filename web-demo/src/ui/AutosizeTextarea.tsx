import {
  type ClipboardEvent,
  type KeyboardEvent,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
} from 'react';

type Props = {
  label: string;
  value: string;
  placeholder?: string;
  describedBy?: string;
  onChange: (value: string) => void;
  /** called for Enter without Shift, unless an input method is composing text */
  onEnter: () => void;
  onKeyDown?: (event: KeyboardEvent<HTMLTextAreaElement>) => void;
  onPaste?: (event: ClipboardEvent) => void;
  textareaRef?: RefObject<HTMLTextAreaElement | null>;
  /** whether the cursor starts at the end of the text */
  cursorAtEnd?: boolean;
};

/** A textarea that grows with its text, up to the `max-height` of the style sheet. */
export function AutosizeTextarea({ textareaRef, ...props }: Props) {
  const ownRef = useRef<HTMLTextAreaElement>(null);
  const ref = textareaRef ?? ownRef;
  const { value, cursorAtEnd } = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `value` changes the height
  useLayoutEffect(() => {
    const { current } = ref;
    if (!current) return;
    current.style.height = 'auto';
    current.style.height = `${current.scrollHeight}px`;
  }, [ref, value]);

  useEffect(() => {
    const end = cursorAtEnd && ref.current?.value.length;
    if (end) ref.current?.setSelectionRange(end, end);
  }, [ref, cursorAtEnd]);

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    // While an input method composes text, Enter accepts its suggestion.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      props.onEnter();
    }
    props.onKeyDown?.(event);
  }

  return (
    <textarea
      ref={ref}
      rows={1}
      autoFocus
      value={value}
      placeholder={props.placeholder}
      aria-label={props.label}
      aria-describedby={props.describedBy}
      enterKeyHint="send"
      onChange={event => props.onChange(event.target.value)}
      onKeyDown={onKeyDown}
      onPaste={props.onPaste}
    />
  );
}
