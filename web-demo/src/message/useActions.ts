import { use } from 'react';
import { type Actions, ActionsContext } from './actions';

export function useActions(): Actions {
  const actions = use(ActionsContext);
  if (!actions) throw new Error('there is no chat around');
  return actions;
}
